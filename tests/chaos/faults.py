"""Faults of the plant's database that a test switches on and off while workers run.

The faults in force stand in a file in the stack's folder, which is the working directory of its workers;
each statement's begin and end is noted in another.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tracesvc.errors import SourceTimeout, SourceUnavailable, TraceError

FAULTS: Final = "faults.json"
LEDGER: Final = "statements.log"


@dataclass(frozen=True)
class Fault:
    """What goes wrong at the source. `every` and `hang_every` count the statements of one worker."""

    pause_seconds: float = 0  # each statement takes so much longer
    every: int = 0  # each n-th statement fails in passing
    hang_every: int = 0  # each n-th statement never gives a row
    slow_container: str = ""  # statements that ask for it take too long
    bad_container: str = ""  # statements that ask for it fail as if in passing
    deadly_container: str = ""  # the worker dies at a statement that asks for it

    def error(self, number: int, asked: Iterable[object]) -> TraceError | None:
        """What the `number`-th statement, which asks for these containers, fails with."""
        if self.slow_container and self.slow_container in asked:
            return SourceTimeout()
        if self.bad_container and self.bad_container in asked:
            return SourceUnavailable()
        return SourceUnavailable() if self.every and number % self.every == 0 else None

    def hangs(self, number: int) -> bool:
        return bool(self.hang_every) and number % self.hang_every == 0


class Faults:
    """The faults in force, shared with the workers that run in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FAULTS

    def set(self, **fields: object) -> None:
        """From the next statement on, this goes wrong and nothing else."""
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(Fault(**fields))))  # type: ignore[arg-type]
        fresh.replace(self._path)

    def now(self) -> Fault:
        """What goes wrong now."""
        return Fault(**json.loads(self._path.read_text())) if self._path.exists() else Fault()


@dataclass(frozen=True)
class Entry:
    """A statement, of the process `pid`, began or ended at a moment of the system's monotonic clock."""

    moment: int
    pid: int
    number: int
    begins: bool


class Ledger:
    """The statements that ran at the source, in the order of their begins and ends.

    A statement counts until its first rows are there: then its work is done, and its slot is given back.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LEDGER

    def note(self, entry: Entry) -> None:
        """One line, in one write: several processes append."""
        line = f"{entry.moment} {entry.pid} {entry.number} {int(entry.begins)}\n"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def entries(self) -> list[Entry]:
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        fields = [map(int, line.split()) for line in lines]
        found = [Entry(moment, pid, number, bool(begins)) for moment, pid, number, begins in fields]
        return sorted(found, key=lambda entry: entry.moment)

    def readers(self) -> set[int]:
        """The processes that began a statement and have neither its rows nor its end."""
        entries = self.entries()
        ended = {(entry.pid, entry.number) for entry in entries if not entry.begins}
        return {entry.pid for entry in entries if (entry.pid, entry.number) not in ended}

    def running(self, *, since: int = 0, deaths: Mapping[int, int] | None = None) -> tuple[int, int]:
        """How many statements run, at the most since that moment and in the end; `deaths`: pid to moment."""
        ends = sorted((moment, pid) for pid, moment in (deaths or {}).items())
        open_now: set[tuple[int, int]] = set()
        most = 0
        for entry in self.entries():
            while ends and ends[0][0] <= entry.moment:
                _, dead = ends.pop(0)
                open_now = {one for one in open_now if one[0] != dead}
            key = (entry.pid, entry.number)
            open_now = open_now | {key} if entry.begins else open_now - {key}
            if entry.moment >= since:
                most = max(most, len(open_now))
        gone = {pid for _, pid in ends}
        return most, len({one for one in open_now if one[0] not in gone})
