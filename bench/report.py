"""The table: each measured figure beside what it must be, on the terminal and as markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import psutil
from rich.console import Console
from rich.table import Table

HEADS: Final = ("measured", "tracesvc", "reference", "ratio", "required", "met")
PACKAGES: Final = ("duckdb", "arro3-core", "fastapi", "uvicorn", "redis", "zstandard")


@dataclass(frozen=True)
class Row:
    """One figure. `least` and `most` bound it; a row without bounds is there to compare with."""

    measured: str
    ours: str
    reference: str
    figure: float
    unit: str = "x"
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the bounds hold, None without one."""
        if self.least is None and self.most is None:
            return None
        above = self.least is None or self.figure >= self.least
        return above and (self.most is None or self.figure <= self.most)

    @property
    def required(self) -> str:
        """The bounds as text."""
        bounds = ((">=", self.least), ("<=", self.most))
        return " ".join(f"{sign} {bound:g} {self.unit}" for sign, bound in bounds if bound is not None) or "-"

    def cells(self) -> tuple[str, ...]:
        """As text, in the order of `HEADS`."""
        met = {True: "yes", False: "NO", None: "-"}[self.met]
        ratio = f"{shown(self.figure)} {self.unit}"
        return (self.measured, self.ours, self.reference, ratio, self.required, met)


@dataclass(frozen=True)
class Report:
    """All rows of one run, and what it ran on. `notes` are sentences for the reader."""

    containers: int
    records: int
    server: str
    rows: Sequence[Row]
    notes: Sequence[str]

    def facts(self) -> list[str]:
        """The machine and the versions; nothing that names a host, a folder or a day."""
        memory = psutil.virtual_memory().total / 2**30
        packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        return [
            f"{self.containers:,} containers, {self.records:,} records of `history`",
            f"{_cores()} cores, {memory:.0f} GiB memory, {platform.system()} {platform.machine()}",
            f"Python {platform.python_version()}, {self.server}, {packages}",
        ]

    def show(self, console: Console) -> None:
        """Print the table."""
        table = Table(*HEADS, title="tracesvc beside the obvious design and the limits")
        for column in table.columns[1:5]:
            column.justify = "right"
        for row in self.rows:
            table.add_row(*row.cells(), style="bold red" if row.met is False else None)
        console.print(table)
        for line in (*self.facts(), *self.notes):
            console.print(f"- {line}", markup=False, soft_wrap=True)

    def markdown(self) -> str:
        """The same as a page."""
        lines = [
            "# Measured",
            "",
            "Written by `make bench`, in one run. What each row means stands in [README.md](README.md).",
            "",
            *(f"- {fact}" for fact in self.facts()),
            "",
            *table(self.rows),
            "",
            *(f"- {note}" for note in self.notes),
        ]
        return "\n".join(lines).rstrip() + "\n"


def table(rows: Sequence[Row]) -> list[str]:
    """Rows as lines of markdown, heads first."""
    return [
        f"| {' | '.join(HEADS)} |",
        f"| --- |{' ---: |' * 4} --- |",
        *(f"| {' | '.join(row.cells())} |" for row in rows),
    ]


def shown(value: float) -> str:
    """A number with about three digits that count."""
    if value >= 100:  # noqa: PLR2004 - three digits before the point
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"  # noqa: PLR2004 - two before the point


def seconds(value: float) -> str:
    """A time, in milliseconds below a second."""
    return f"{value:.2f} s" if value >= 1 else f"{shown(value * 1000)} ms"


def rate(records: int, taken: float) -> str:
    """Records a second."""
    return f"{records / taken:,.0f}/s"


def megabytes(size: int) -> str:
    """A size in MB (10^6 bytes)."""
    return f"{shown(size / 1e6)} MB"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
