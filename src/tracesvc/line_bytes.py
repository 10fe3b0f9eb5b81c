"""The bytes of a `records` line around its rows. It needs nothing, so that a short process starts fast."""

from __future__ import annotations

import re
from typing import Final

DATA_KEY: Final = b'"data":'
_COUNTED: Final = re.compile(rb'"count":(\d+),"data":')


def records_line(domain: str, batch: int, offset: int, count: int, rows: bytes) -> bytes:
    """A `records` line around `rows`, a JSON array of `count` objects; its newline included."""
    head = f'{{"type":"records","domain":"{domain}","batch":{batch},"offset":{offset},"count":{count},"data":'
    return b"".join((head.encode(), rows, b"}\n"))


def rows_of(line: bytes) -> bytes:
    """The JSON array of a `records` line that `records_line` wrote: cut out, not parsed."""
    return line[line.index(DATA_KEY) + len(DATA_KEY) : line.rindex(b"}")]


def counted(line: bytes) -> tuple[int, int] | None:
    """How many records a line says it has, and where their list begins; None for one of another form."""
    found = _COUNTED.search(line)
    return None if found is None else (int(found[1]), found.end())


def count_of(line: bytes) -> int:
    """How many records a line has that `records_line` wrote."""
    if (found := counted(line)) is None:
        raise ValueError(f"not a line of ours: {line[:80]!r}")
    return found[0]
