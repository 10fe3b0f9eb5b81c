"""A process between the stack and one child: when the stack is gone, however it went, so is the child.

Run as a plain file by `child.py`: `python -I -S tether.py GRACE SCRATCH COMMAND…`. Standard input is a
pipe whose other end only the stack holds, so it closes when the stack ends, by `kill -9` too. Then (or
on SIGTERM) the command gets SIGTERM, after GRACE seconds its whole process group SIGKILL. SCRATCH, when
not empty, is a directory that is removed at the end. Only the standard library is imported: it starts in
about 20 ms and stays at about 10 MB.

Exit code: the command's; 128 + n when signal n ended it; 127 when it could not be started.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

NOT_STARTED = 127
PR_SET_PDEATHSIG = 1


def main(arguments: Sequence[str]) -> int:
    """Run the command until it ends or must; the exit code to end with."""
    grace, scratch, command = float(arguments[0]), arguments[1], list(arguments[2:])
    bell = _bell()
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_last_resort(os.getpid()),  # noqa: PLW1509 -- this process has one thread
        )
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
        return NOT_STARTED
    else:
        return _watch(child, bell, grace)
    finally:
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)


def _bell() -> int:
    """A descriptor that becomes readable, with the signal's number, at each signal."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return readable


def _last_resort(tether: int) -> Callable[[], None] | None:
    """Linux: the kernel kills the command when the tether itself is killed. Elsewhere: nothing."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def die_with_tether() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != tether:
            os._exit(NOT_STARTED)

    return die_with_tether


def _watch(child: subprocess.Popen[bytes], bell: int, grace: float) -> int:
    stack: list[int] = [sys.stdin.fileno()]
    deadline: float | None = None
    while child.poll() is None:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([bell, *stack], [], [], left)
        asked = bell in ready and not {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}.isdisjoint(
            os.read(bell, 512)
        )
        if stack and stack[0] in ready and not os.read(stack[0], 512):
            stack, asked = [], True
        if asked and deadline is None:
            deadline = time.monotonic() + grace
            child.terminate()
        if deadline is not None and time.monotonic() >= deadline:
            _kill_group(child.pid)
    _kill_group(child.pid)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _kill_group(pid: int) -> None:
    """Whatever the command left running goes with it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
