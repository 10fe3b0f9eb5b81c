"""Lines turned into pieces of a file by forked processes, side by side, the pieces in the lines' order.

Threads would not do: the encoders hold the interpreter's lock.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from types import FrameType
from typing import BinaryIO, Final, Never, Self

from tracesvc.files.feed import LENGTH_BYTES, packed

MOST_HELPERS: Final = 2
"""Whoever puts the pieces together keeps a third core busy."""
TERMINATED: Final = 128 + signal.SIGTERM
_MADE: Final = b"+"
_FAILED: Final = b"-"

Make = Callable[[bytes], bytes]


class PieceNotMade(Exception):
    """A helper could not make a piece, or ended; the text says why."""


def helpers_here() -> int:
    """How many are worth it on this machine; with one core none."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_HELPERS, cores) if cores > 1 and hasattr(os, "fork") else 0


class Team:
    """The helpers of one process, which has no threads. When its context ends, or by SIGTERM, so do they."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._helpers: list[_Helper] = []

    def __enter__(self) -> Self:
        signal.signal(signal.SIGTERM, self._terminated)
        return self

    def __exit__(self, *_: object) -> None:
        self._dismiss()

    def pieces(self, make: Make, lines: Iterable[bytes]) -> Iterator[bytes]:
        """`make` of each line. Each helper has one line at a time, so that so many are held at most.

        Raises `PieceNotMade`.
        """
        source = iter(lines)
        ahead = list(islice(source, 2))
        if not self._size or len(ahead) == 1:
            yield from map(make, chain(ahead, source))
            return
        while len(self._helpers) < self._size:
            self._helpers.append(_Helper(make, self._helpers))
        idle, busy = deque(self._helpers), deque[_Helper]()
        for line in chain(ahead, source):
            piece = None
            if not idle:
                idle.append(busy.popleft())
                piece = idle[0].take()
            idle[0].give(line)
            busy.append(idle.popleft())
            if piece is not None:
                yield piece
        while busy:
            yield busy.popleft().take()
        self._dismiss()

    def _dismiss(self) -> None:
        while self._helpers:
            self._helpers.pop().dismiss()

    def _terminated(self, _signal: int, _frame: FrameType | None) -> Never:
        for helper in self._helpers:
            helper.kill()
        os._exit(TERMINATED)


class _Helper:
    """A forked process that makes pieces until its pipe ends."""

    def __init__(self, make: Make, others: Iterable[_Helper]) -> None:
        its_lines, lines = os.pipe()
        pieces, its_pieces = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            near = [lines, pieces, *chain.from_iterable(other.near() for other in others)]
            for descriptor in near:  # else a pipe would not end while any helper lives
                os.close(descriptor)
            _help(make, its_lines, its_pieces)
        os.close(its_lines)
        os.close(its_pieces)
        self._lines = os.fdopen(lines, "wb")
        self._pieces = os.fdopen(pieces, "rb")

    def give(self, line: bytes) -> None:
        try:
            self._lines.write(packed(line))
            self._lines.write(line)
            self._lines.flush()
        except BrokenPipeError:
            raise PieceNotMade(_ENDED) from None

    def take(self) -> bytes:
        verdict = self._pieces.read(1)
        piece = _read(self._pieces)
        if not verdict or piece is None:
            raise PieceNotMade(_ENDED)
        if verdict == _FAILED:
            raise PieceNotMade(piece.decode(errors="replace"))
        return piece

    def dismiss(self) -> None:
        self._pieces.close()
        with suppress(BrokenPipeError):
            self._lines.close()
        os.waitpid(self._pid, 0)

    def kill(self) -> None:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def near(self) -> tuple[int, int]:
        return self._lines.fileno(), self._pieces.fileno()


_ENDED: Final = "a process that helps to write the file ended"


def _help(make: Make, lines: int, pieces: int) -> Never:
    """A helper's life. Nothing of the process it comes from is flushed or closed at its end."""
    try:
        with open(lines, "rb") as source, open(pieces, "wb") as sink:
            while (line := _read(source)) is not None:
                try:
                    verdict, piece = _MADE, make(line)
                except Exception as error:  # noqa: BLE001 - told to whoever waits
                    verdict, piece = _FAILED, (str(error).strip() or repr(error)).encode()
                sink.write(verdict + packed(piece))
                sink.write(piece)
                sink.flush()
    except BaseException:  # noqa: BLE001 - whoever waits for pieces has gone
        os._exit(1)
    os._exit(0)


def _read(source: BinaryIO) -> bytes | None:
    """A length and so many bytes; None at the end."""
    length = source.read(LENGTH_BYTES)
    data = source.read(int.from_bytes(length, "big"))
    return data if len(length) == LENGTH_BYTES and len(data) == int.from_bytes(length, "big") else None
