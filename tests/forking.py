"""Our commands as processes made by fork from one that has imported them and read the catalogue.

Each is a process of its own like any other, in a process group of its own, with its own environment; only
how it comes to be differs. `tests/integration/test_stack.py` and `test_commands.py` start them as users do.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

# Looked up before any fork: a child must not load libraries.
_PRCTL: Final = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.preloaded", __name__])


class Forked:
    """`python -m MODULE ARGUMENTS…` with these surroundings; what it prints is added to `log`."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], folder: Path, log: Path) -> None:
        self._process = _FORKS.Process(target=_run, args=(command, dict(env), folder, log), daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid: Final[int] = self._process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended, negative for a signal; `None` while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait for its end; raises `subprocess.TimeoutExpired`."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return self.returncode


def die_with_parent() -> None:
    """A test run that is shot leaves no process behind (Linux)."""
    if _PRCTL is not None:
        _PRCTL(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG


def _run(command: Sequence[str], env: Mapping[str, str], folder: Path, log: Path) -> None:
    os.setsid()
    die_with_parent()
    os.chdir(folder)
    for descriptor, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, str(log), os.O_WRONLY | os.O_APPEND | os.O_CREAT),
    ):
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.dup2(1, 2)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.argv[1:] = command[1:]
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
