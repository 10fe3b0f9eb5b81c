"""Real processes, as a deployment runs them: started, watched for memory, and gone when this one is."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tracesvc.demo.child import TETHER

GRACE_SECONDS: Final = 10.0
READY_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.05
TAIL_CHARACTERS: Final = 2000


class NotReady(Exception):
    """A process did not come up; the text holds the end of what it wrote."""


@dataclass(frozen=True)
class Running:
    """A process at work. `said` is what it has written so far, errors included."""

    tether: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        """Everything it wrote."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def pid(self) -> int:
        """Its process id."""
        return psutil.Process(self.tether.pid).children()[0].pid

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Return once `ready`; raises `NotReady` when it ends or takes too long."""
        deadline = time.monotonic() + READY_SECONDS
        while not ready():
            if self.tether.poll() is not None or time.monotonic() > deadline:
                raise NotReady(f"a process did not come up; it said:\n{self.said[-TAIL_CHARACTERS:]}")
            time.sleep(PAUSE_SECONDS)


@contextlib.contextmanager
def running(argv: Sequence[str], env: Mapping[str, str], *, scratch: str = "") -> Iterator[Running]:
    """Run a program inside the block. It ends with the block, and with this process, however that goes."""
    with tempfile.TemporaryDirectory(prefix="tracesvc-bench-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            tether = subprocess.Popen(
                [sys.executable, "-I", "-S", str(TETHER), str(GRACE_SECONDS), scratch, *argv],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                start_new_session=True,
            )
        try:
            yield Running(tether, log)
        finally:
            assert tether.stdin is not None
            tether.stdin.close()
            tether.wait()


def peak_bytes(pid: int) -> int:
    """The most resident memory that a process ever had. Outside Linux: what it has now."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return int(psutil.Process(pid).memory_info().rss)
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
