"""How a trace is shown while it runs: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tracesvc.demo.ledger import Ledger

SHOW_SECONDS: Final = 0.1
PLAIN_SECONDS: Final = 2.0


class Display(Protocol):
    """Shows a ledger each time `tell` is called."""

    def tell(self) -> None:
        """The ledger may have changed."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


def display_of(ledger: Ledger, console: Console) -> Display:
    """Bars when the console is a terminal, else lines."""
    return Bars(ledger, console) if console.is_terminal else Lines(ledger, console)


class Bars:
    """A bar a domain: units committed of units to do, and the records received."""

    def __init__(self, ledger: Ledger, console: Console) -> None:
        self._ledger = ledger
        self._tasks: dict[str, TaskID] = {}
        self._next = 0.0
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=40),
            TextColumn("{task.percentage:>4.0f} %"),
            TextColumn("{task.fields[records]:>10,} records"),
            TimeElapsedColumn(),
            console=console,
        )

    def tell(self) -> None:
        """Redraw, at most ten times a second."""
        if time.monotonic() < self._next and not self._ledger.complete:
            return
        self._next = time.monotonic() + SHOW_SECONDS
        for name in self._ledger.meta.get("domains", ()):
            self._draw(name)

    def _draw(self, name: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=None, records=0)
        received = self._ledger.domains.get(name)
        units = self._ledger.progress.get(name)
        done, total = (units["batches_done"], units["batches_total"] or None) if units else (0, None)
        if received is not None and received.ended:
            total = total or 1
            done = total
            self._progress.stop_task(self._tasks[name])
        records = received.records if received else 0
        self._progress.update(self._tasks[name], completed=done, total=total, records=records)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._progress.stop()


class Lines:
    """A line every two seconds, and one when a domain ends."""

    def __init__(self, ledger: Ledger, console: Console) -> None:
        self._ledger = ledger
        self._console = console
        self._next = 0.0
        self._ended: set[str] = set()

    def tell(self) -> None:
        """Print what is new."""
        for name, domain in self._ledger.domains.items():
            if domain.ended and name not in self._ended:
                self._ended.add(name)
                self._console.print(f"{name:<10} {domain.records:>10,} records, all received")
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PLAIN_SECONDS
            committed = sum(domain["records"] for domain in self._ledger.progress.values())
            self._console.print(f"received {self._ledger.records:,} records, {committed:,} committed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Nothing to put away."""
