"""Lines turned into pieces of a file by forked processes, side by side, the pieces in the lines' order.

A piece is made of lines that follow each other: as many as a format wants in one.

Threads would not do: the encoders hold the interpreter's lock.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain, count, cycle, islice
from tempfile import TemporaryFile
from types import FrameType
from typing import Final, Never, Self

from tracesvc.files.feed import FedLine

MOST_HELPERS: Final = 2
PIECES_A_HELPER: Final = 2
"""One in work and one to go on with."""
MOST_PIECE_BYTES: Final = 16 << 20
"""Lines of so many bytes are a piece, however few their records: plain ones are held until they are one."""
TERMINATED: Final = 128 + signal.SIGTERM
_PLACE_BYTES: Final = 1 << 36  # more than a piece has; the file is sparse
_LENGTH_BYTES: Final = 8
_NO_MORE: Final = bytes(_LENGTH_BYTES)
_MADE: Final = b"+"
_FAILED: Final = b"-"

Make = Callable[[Iterator[bytes]], bytes]


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

    def pieces(self, make: Make, lines: Iterable[FedLine], *, records: int = 0) -> Iterator[bytes]:
        """`make` of so many lines each time that they have `records` records, or are large; of one at least.

        Each helper has `PIECES_A_HELPER` at most, as lines or as pieces. Raises `PieceNotMade`.
        """
        source = iter(lines)
        ahead = list(islice(source, 2))
        shares = _shares(chain(ahead, source), records)
        if not self._size or not ahead[1:]:
            yield from map(make, shares)
            return
        while len(self._helpers) < self._size:
            self._helpers.append(_Helper(make, self._helpers))
        turns, busy = cycle(self._helpers), deque[_Helper]()
        for share in shares:
            piece = busy.popleft().take() if len(busy) == self._size * PIECES_A_HELPER else None
            helper = next(turns)
            helper.give(share)
            busy.append(helper)
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


def _shares(lines: Iterator[FedLine], records: int) -> Iterator[Iterator[bytes]]:
    """The lines of one piece after the other; each is to be used up before the next."""
    for line in lines:
        yield _share(line, lines, records)


def _share(line: FedLine | None, lines: Iterator[FedLine], records: int) -> Iterator[bytes]:
    missing, room = records, MOST_PIECE_BYTES
    while line is not None:
        yield line.payload
        missing, room = missing - line.records, room - len(line.payload)
        line = next(lines, None) if missing > 0 and room > 0 else None


class _Helper:
    """A forked process that makes pieces until its pipe ends.

    Lines and pieces lie in files in memory, of which pipes tell the lengths: neither side waits until the
    other reads.
    """

    def __init__(self, make: Make, others: Iterable[_Helper]) -> None:
        its_lines, lines = os.pipe()
        lengths, its_lengths = os.pipe()
        self._given, self._kept = _memory_file(), _memory_file()
        self._shares = self._taken = 0
        self._pid = os.fork()
        if not self._pid:
            near = [lines, lengths, *chain.from_iterable(other.near() for other in others)]
            _help(make, _given(its_lines, self._given), its_lengths, self._kept, near)
        os.close(its_lines)
        os.close(its_lengths)
        self._lines = os.fdopen(lines, "wb", buffering=0)
        self._lengths = os.fdopen(lengths, "rb")

    def give(self, share: Iterator[bytes]) -> None:
        place = _place(self._shares)
        self._shares += 1
        try:
            for line in share:
                _keep(self._given, line, place)
                place += len(line)
                self._lines.write(_length(line))
            self._lines.write(_NO_MORE)
        except BrokenPipeError:
            raise PieceNotMade(_ENDED) from None

    def take(self) -> bytes:
        told = self._lengths.read(1 + _LENGTH_BYTES)
        if len(told) != 1 + _LENGTH_BYTES:
            raise PieceNotMade(_ENDED)
        piece = os.pread(self._kept, int.from_bytes(told[1:], "big"), _place(self._taken))
        self._taken += 1
        if told[:1] == _FAILED:
            raise PieceNotMade(piece.decode(errors="replace"))
        return piece

    def dismiss(self) -> None:
        os.close(self._given)
        os.close(self._kept)
        self._lengths.close()
        self._lines.close()
        os.waitpid(self._pid, 0)

    def kill(self) -> None:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def near(self) -> tuple[int, int]:
        return self._lines.fileno(), self._lengths.fileno()


_ENDED: Final = "a process that helps to write the file ended"


def _help(
    make: Make, shares: Iterator[Iterator[bytes]], lengths: int, kept: int, near: Iterable[int]
) -> Never:
    """A helper's life. Nothing of the process it comes from is flushed or closed at its end."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for descriptor in near:  # else a pipe would not end while any helper lives
            os.close(descriptor)
        with open(lengths, "wb", buffering=0) as sink:
            for number, share in enumerate(shares):
                try:
                    verdict, piece = _MADE, make(share)
                except Exception as error:  # noqa: BLE001 - told to whoever waits
                    verdict, piece = _FAILED, (str(error).strip() or repr(error)).encode()
                _keep(kept, piece, _place(number))
                sink.write(verdict + _length(piece))
    except BaseException:  # noqa: BLE001 - whoever waits for pieces has gone
        os._exit(1)
    os._exit(0)


def _given(lines: int, kept: int) -> Iterator[Iterator[bytes]]:
    """What a helper is given: the lines of each piece, as they come."""
    with open(lines, "rb") as told:

        def share(length: bytes, place: int) -> Iterator[bytes]:
            while length and length != _NO_MORE:
                line = os.pread(kept, int.from_bytes(length, "big"), place)
                place += len(line)
                yield line
                length = told.read(_LENGTH_BYTES)

        for number in count():
            if not (length := told.read(_LENGTH_BYTES)):
                return
            lines_of_one = share(length, _place(number))
            yield lines_of_one
            deque(lines_of_one, maxlen=0)  # what a piece that could not be made has left


def _place(number: int) -> int:
    """Where a helper's nth piece or its lines begin: the place is free again when the piece was taken."""
    return number % PIECES_A_HELPER * _PLACE_BYTES


def _length(data: bytes) -> bytes:
    return len(data).to_bytes(_LENGTH_BYTES, "big")


def _keep(kept: int, piece: bytes, place: int) -> None:
    rest = memoryview(piece)
    while rest:
        written = os.pwrite(kept, rest, place)
        rest, place = rest[written:], place + written


def _memory_file() -> int:
    """A file without a name, in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("pieces")
    with TemporaryFile() as file:
        return os.dup(file.fileno())
