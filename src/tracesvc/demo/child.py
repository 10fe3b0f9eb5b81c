"""A process that is kept running: started again when it dies, and gone when this process is gone."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from tracesvc.errors import TraceError

Log = Callable[[str, str], None]
"""Takes the child's name and one line that it wrote."""

TETHER: Final = Path(__file__).with_name("tether.py")
TETHER_MARGIN_SECONDS: Final = 3.0
LONGEST_LINE_BYTES: Final = 65536
REFUSED: Final = frozenset({2, 3, 127})
"""Exit codes for "not like this": `error: …` of our command, an API that did not start, no such program."""


class ChildRefused(TraceError):
    """A child will not run as it is configured; starting it again is of no use."""

    title = "A part of the stack does not start"


@dataclass(frozen=True)
class Launch:
    """One start of a process. `scratch` is a directory that is removed when the process has ended."""

    argv: Sequence[str]
    env: Mapping[str, str]
    scratch: str = ""


@dataclass(frozen=True)
class Pauses:
    """Seconds from a death to the next start: doubling, from `first` again after `reset` seconds alive."""

    first: float = 0.2
    longest: float = 10.0
    reset: float = 30.0

    def following(self, pause: float | None, alive: float) -> float:
        """The pause after one more death, given the last pause and how long the process was alive."""
        if pause is None or alive >= self.reset:
            return self.first
        return min(pause * 2, self.longest)


@dataclass
class Child:
    """One supervised process. `launch` is asked anew at every start.

    Until `settled` is set, an exit code in `REFUSED` ends `kept` with `ChildRefused`; from then on every
    death is followed by another start.
    """

    name: str
    launch: Callable[[], Launch]
    log: Log
    grace: float = 10.0
    pauses: Pauses = field(default_factory=Pauses)
    settled: bool = False
    deaths: int = 0
    _process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The tether's process id (the real process is its only child), or None between two starts."""
        return self._process.pid if self._process else None

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[asyncio.Task[NoReturn]]:
        """Keep it running inside the block; yields the task, which ends only by `ChildRefused`.

        At the end of the block the process gets SIGTERM, after `grace` seconds SIGKILL, and has ended.
        """
        task = asyncio.create_task(self._keep(), name=f"keep {self.name}")
        try:
            yield task
        finally:
            if not task.cancelling():  # a second cancel would break off the wait for the process's end
                task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # whoever waited for the task has raised it already

    async def _keep(self) -> NoReturn:
        pause: float | None = None
        while True:
            began = time.monotonic()
            code = await self._run()
            self.deaths += 1
            if code in REFUSED and not self.settled:
                raise ChildRefused(
                    f"{self.name} does not start (exit code {code}); its reason is logged above"
                )
            pause = self.pauses.following(pause, time.monotonic() - began)
            self.log(self.name, f"ended ({described(code)}); starts again in {pause:g} s")
            await asyncio.sleep(pause)

    async def _run(self) -> int:
        """Start it once and wait for its end; when cancelled, make it end."""
        launch = self.launch()
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(TETHER), str(self.grace), launch.scratch, *launch.argv),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(launch.env),
            start_new_session=True,
        )
        pump = asyncio.create_task(self._pump(process), name=f"log of {self.name}")
        try:
            return await process.wait()
        finally:
            await self._end(process)
            await asyncio.wait({pump}, timeout=1)
            pump.cancel()
            self._process = None

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), self.grace + TETHER_MARGIN_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _pump(self, process: asyncio.subprocess.Process) -> None:
        """Pass on its output line by line; a line that is too long comes in pieces."""
        if process.stdout is None:
            return
        rest = b""
        while piece := await process.stdout.read(LONGEST_LINE_BYTES):
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > LONGEST_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self.log(self.name, line.decode(errors="replace").rstrip())
        if rest:
            self.log(self.name, rest.decode(errors="replace").rstrip())


def described(code: int) -> str:
    """An exit code in words: `exit code 1`, `SIGKILL`."""
    number = -code if code < 0 else code - 128
    if number <= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"exit code {code}"


def to_stderr(name: str, line: str) -> None:
    """A log that writes to standard error, the child's name in front."""
    sys.stderr.write(f"{name:<9}| {line}\n")
    sys.stderr.flush()
