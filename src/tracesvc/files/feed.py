"""What comes down the pipe to the process that writes: an order, then the domains' lines.

The order is a line of JSON. Each line of a domain follows as a length (4 bytes, big-endian) and so many
bytes: a `records` line, plain or as its zstd frame. Length 0 ends a domain. A pipe that closes earlier is
a cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

import zstandard

from tracesvc.files.order import FileOrder
from tracesvc.line_bytes import rows_of

LENGTH_BYTES: Final = 4
UNREAD: Final = 4
"""The exit code when whoever read the file has left."""
END_OF_DOMAIN: Final = bytes(LENGTH_BYTES)
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


class FeedCut(Exception):
    """The lines ended before the last domain did; what is written is not the whole."""


def packed(payload: bytes) -> bytes:
    """The length that goes before a line."""
    return len(payload).to_bytes(LENGTH_BYTES, "big")


def unpacked(payload: bytes) -> bytes:
    """A line that came down the pipe, plain."""
    return zstandard.ZstdDecompressor().decompress(payload) if payload.startswith(_ZSTD_MAGIC) else payload


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

    def lines(self) -> Iterator[bytes]:
        """The next domain's lines as they came. Raises `FeedCut`."""
        while (length := self._read(LENGTH_BYTES)) != END_OF_DOMAIN:
            yield self._read(int.from_bytes(length, "big"))

    def _read(self, count: int) -> bytes:
        data = self._source.read(count)
        if len(data) != count:
            raise FeedCut
        return data
