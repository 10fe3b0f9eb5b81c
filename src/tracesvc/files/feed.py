"""What comes down the pipe to the process that writes: an order, then the domains' lines.

The order is a line of JSON. Each line of a domain follows as a head and so many bytes as it says: a
`records` line, plain or as its zstd frame. A head is two numbers of 4 bytes, big-endian: the length, and
how many records the line has. Length 0 ends a domain. A pipe that closes earlier is a cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO, Final, NamedTuple

import zstandard

from tracesvc.files.order import FileOrder
from tracesvc.line_bytes import rows_of

UNREAD: Final = 4
"""The exit code when whoever read the file has left."""
_HEAD: Final = Struct(">II")
END_OF_DOMAIN: Final = _HEAD.pack(0, 0)
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_INFLATER: Final = zstandard.ZstdDecompressor()  # a process that writes has one thread


class FeedCut(Exception):
    """The lines ended before the last domain did; what is written is not the whole."""


class FedLine(NamedTuple):
    """A `records` line as it came, and how many records it has."""

    payload: bytes
    records: int

    def head(self) -> bytes:
        """What goes before it."""
        return _HEAD.pack(len(self.payload), self.records)


def unpacked(payload: bytes) -> bytes:
    """A line that came down the pipe, plain."""
    return _INFLATER.decompress(payload) if payload.startswith(_ZSTD_MAGIC) else payload


def rows_in(payload: bytes) -> bytes:
    """Its JSON array of records."""
    return rows_of(unpacked(payload))


class Feed:
    """The reading end. Holds one line at a time."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source

    def order(self) -> FileOrder:
        """The first line."""
        return FileOrder.from_json(self._source.readline())

    def lines(self) -> Iterator[FedLine]:
        """The next domain's lines as they came. Raises `FeedCut`."""
        while (head := self._read(_HEAD.size)) != END_OF_DOMAIN:
            length, records = _HEAD.unpack(head)
            yield FedLine(self._read(length), records)

    def _read(self, count: int) -> bytes:
        data = self._source.read(count)
        if len(data) != count:
            raise FeedCut
        return data
