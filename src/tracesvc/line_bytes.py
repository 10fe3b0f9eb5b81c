"""The bytes of a `records` line around its rows. It needs nothing, so that a short process starts fast."""

from __future__ import annotations

from typing import Final

DATA_KEY: Final = b'"data":'


def records_line(domain: str, batch: int, offset: int, count: int, rows: bytes) -> bytes:
    """A `records` line around `rows`, a JSON array of `count` objects; its newline included."""
    head = f'{{"type":"records","domain":"{domain}","batch":{batch},"offset":{offset},"count":{count},"data":'
    return b"".join((head.encode(), rows, b"}\n"))


def rows_of(line: bytes) -> bytes:
    """The JSON array of a `records` line that `records_line` wrote: cut out, not parsed."""
    return line[line.index(DATA_KEY) + len(DATA_KEY) : line.rindex(b"}")]
