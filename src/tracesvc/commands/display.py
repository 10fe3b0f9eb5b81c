"""What a person sees: bars on a terminal, lines elsewhere, the summary, tables of jobs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from tracesvc.client import TraceProgress
from tracesvc.client.ledger import DomainHeld

SHOW_SECONDS: Final = 0.1
PLAIN_SECONDS: Final = 5.0


class Display(Protocol):
    """Shows how far a trace is."""

    def tell(self, progress: TraceProgress) -> None:
        """Something arrived."""
        ...

    def stop(self) -> None:
        """Leave the screen as it is."""
        ...


def display_on(console: Console, *, quiet: bool) -> Display:
    """Bars on a terminal, lines elsewhere; with `quiet` nothing."""
    if quiet:
        return Silence()
    return Bars(console) if console.is_terminal else Lines(console)


class Silence:
    """Shows nothing."""

    def tell(self, progress: TraceProgress) -> None:
        """Say nothing."""

    def stop(self) -> None:
        """There is nothing to stop."""


class Bars:
    """A bar a domain: units committed of units to do, records, their rate, and the time left."""

    def __init__(self, console: Console) -> None:
        self._tasks: dict[str, TaskID] = {}
        self._next = 0.0
        self._bars = Progress(
            TextColumn("{task.description:<18}"),
            BarColumn(bar_width=32),
            TextColumn("{task.percentage:>4.0f} %"),
            TextColumn("{task.fields[records]:>12,} records"),
            TextColumn("{task.fields[rate]:>10,.0f}/s"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=console,
        )
        self._bars.start()

    def tell(self, progress: TraceProgress) -> None:
        """Redraw, at most ten times a second."""
        if time.monotonic() < self._next and progress.status not in {"finished", "failed"}:
            return
        self._next = time.monotonic() + SHOW_SECONDS
        for name, domain in progress.domains.items():
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name, total=None, records=0, rate=0.0)
            total = domain.batches_total or None
            done = domain.batches_done
            if domain.ended:
                done = total = total or 1
            rate = domain.records / progress.seconds if progress.seconds else 0.0
            self._bars.update(
                self._tasks[name], completed=done, total=total, records=domain.records, rate=rate
            )

    def stop(self) -> None:
        """Leave the bars as they are."""
        self._bars.stop()


class Lines:
    """A line every five seconds, and one when a domain ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = time.monotonic() + PLAIN_SECONDS
        self._ended: set[str] = set()

    def tell(self, progress: TraceProgress) -> None:
        """Print what is new."""
        for name, domain in progress.domains.items():
            if domain.ended and name not in self._ended:
                self._ended.add(name)
                self._console.print(f"{name}: {domain.records:,} records")
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PLAIN_SECONDS
            committed = sum(domain.committed for domain in progress.domains.values())
            self._console.print(
                f"{progress.status}: {progress.records:,} records received, {committed:,} found, "
                f"{progress.seconds:.0f} s"
            )

    def stop(self) -> None:
        """Lines need no end."""


def summary_table(domains: Sequence[DomainHeld]) -> Table:
    """One line a domain: its records, and where every container went."""
    table = Table(box=None, header_style="bold")
    for name in ("domain", "records", "containers", "with records", "without", "failed", ""):
        table.add_column(name, justify="left" if name in {"domain", ""} else "right")
    for held in domains:
        counts = held.end.containers if held.end else None
        cells = (
            [counts.asked, counts.with_records, counts.without_records, counts.failed]
            if counts
            else ["?"] * 4
        )
        shown = [f"{cell:,}" if isinstance(cell, int) else cell for cell in cells]
        table.add_row(held.name, f"{held.records:,}", *shown, held.end.status if held.end else "cut")
    return table


def jobs_table(jobs: Sequence[Mapping[str, Any]]) -> Table:
    """Status documents, one a line."""
    table = Table(box=None, header_style="bold")
    for name in ("job", "status", "percent", "records", "containers", "domains", "created"):
        right = name in {"percent", "records", "containers"}
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "domains")
    for job in jobs:
        containers = job["cid_count"]
        table.add_row(
            job["job_id"],
            job["status"],
            f"{job['progress']['percent']:.0f} %",
            f"{job['progress']['records']:,}",
            "" if containers is None else f"{containers:,}",
            ", ".join(job["domains"]),
            (job["created_at"] or "")[:19].replace("T", " "),
        )
    return table


def status_line(job: Mapping[str, Any]) -> str:
    """A status document in one line."""
    progress = job["progress"]
    left = progress["eta_seconds"]
    parts = [
        f"{job['status']}, {progress['percent']:.0f} %",
        f"{progress['records']:,} records",
        f"{progress['records_per_second']:,}/s",
    ]
    if left:
        parts.append(f"about {left:.0f} s left")
    if job["failed_domains"]:
        parts.append(f"not complete: {', '.join(job['failed_domains'])}")
    if job["error"]:
        parts.append(f"{job['error']['code']}: {job['error']['message']}")
    return "; ".join(parts)
