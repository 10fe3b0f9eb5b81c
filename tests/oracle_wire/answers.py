"""What a client gets: descriptions, rows with what repeats left out, and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from tests.oracle_wire.primitives import NULL, bytes_, bytes_twice, date, number, text, ub
from tests.oracle_wire.requests import CHAR, DATE, FIELDS_12_2, NUMBER, VARCHAR

NO_MORE_ROWS: Final = 1403
END_OF_RESPONSE: Final = 29
FIELDS_20_1, FIELDS_23_1, FIELDS_23_EXT_3, FIELDS_23_4 = 14, 17, 20, 24


@dataclass(frozen=True)
class ColumnType:
    """A column as it is described; `size` in bytes; a plain NUMBER has precision 0 and scale -127."""

    name: str
    kind: int
    size: int = 0
    precision: int = 0
    scale: int = 0


def describe(columns: Sequence[ColumnType], fields: int) -> bytes:
    """Message 16."""
    parts = [b"\x10", NULL, ub(0), ub(len(columns))]
    if columns:
        parts.append(b"\x00")
    for place, column in enumerate(columns, 1):
        parts.append(_column(column, place, fields))
    parts += [ub(0), ub(0), ub(0), ub(0), ub(0), ub(0)]
    return b"".join(parts)


def _column(column: ColumnType, place: int, fields: int) -> bytes:
    is_text = column.kind in (VARCHAR, CHAR)
    parts = [
        bytes([column.kind, 0, column.precision & 255, column.scale & 255]),
        ub(column.size or 22), ub(0), ub(0), ub(0), ub(0), ub(873 if is_text else 0), bytes([is_text]),
        ub(column.size if is_text else 0),
    ]  # fmt: skip
    if fields >= FIELDS_12_2:
        parts.append(ub(0))
    parts += [b"\x01", b"\x00", bytes_twice(column.name.encode()), ub(0), ub(0), ub(place), ub(0)]
    if fields >= FIELDS_23_1:
        parts += [ub(0), ub(0)]
    if fields >= FIELDS_23_EXT_3:
        parts.append(ub(0))
    if fields >= FIELDS_23_4:
        parts += [ub(0), b"\x00\x00"]
    return b"".join(parts)


ROW_HEADER: Final = b"\x06\x00" + ub(0) * 4 + ub(0) + ub(0)


class _Encoded(dict[object, bytes]):
    """Values by their bytes, each encoded once; a column's values repeat."""

    def __missing__(self, value: object) -> bytes:
        if isinstance(value, str):
            found = text(value)
        elif isinstance(value, datetime):
            found = date(value)
        elif isinstance(value, int | float | Decimal):
            found = number(value)
        else:
            assert value is None, f"a value of type {type(value).__name__}"
            found = NULL
        if len(self) < 200_000:
            self[value] = found
        return found


class RowEncoder:
    """Rows of one statement, in order: what is as in the row before is left out, as a real server does."""

    def __init__(self, columns: int) -> None:
        self._values = [_Encoded() for _ in range(columns)]
        self._before: tuple[bytes, ...] | None = None
        self._width = (columns + 7) // 8

    def encode(self, rows: Sequence[tuple[object, ...]]) -> list[bytes]:
        """One piece a row."""
        if not rows:
            return []
        columns = [
            list(map(known.__getitem__, values))
            for known, values in zip(self._values, zip(*rows, strict=True), strict=True)
        ]
        pieces = []
        before = self._before
        for row in zip(*columns, strict=True):
            if before is None:
                pieces.append(b"\x07" + b"".join(row))
            else:
                pieces.append(self._with_vector(before, row))
            before = row
        self._before = before
        return pieces

    def _with_vector(self, before: tuple[bytes, ...], row: tuple[bytes, ...]) -> bytes:
        changed = [value for value, old in zip(row, before, strict=True) if value != old]
        if len(changed) == len(row):
            return b"\x07" + b"".join(row)
        bits = 0
        for place, (value, old) in enumerate(zip(row, before, strict=True)):
            if value != old:
                bits |= 1 << place
        vector = bits.to_bytes(self._width, "little")
        return b"\x15" + ub(len(changed)) + vector + b"\x07" + b"".join(changed)


def parameters() -> bytes:
    """Message 8 after an execute: nothing to say."""
    return b"\x08" + ub(0) * 4


def end(
    fields: int, *, cursor: int = 0, code: int = 0, message: str = "", rows: int = 0, place: int = 0
) -> bytes:
    """Message 4: the end of an answer; `code` 0 says that more rows may come."""
    parts = [
        b"\x04", ub(0), ub(0), ub(0), ub(0), ub(0), ub(0), ub(cursor), ub(place), bytes(6),
        ub(0), ub(0), b"\x00", ub(0), ub(0),  # rowid
        ub(0), b"\x00\x00", ub(0), ub(0), ub(0), ub(0), ub(0), ub(0), ub(code), ub(rows),
    ]  # fmt: skip
    if fields >= FIELDS_20_1:
        parts += [ub(0), ub(0)]
    if code:
        parts.append(bytes_((message or f"ORA-{code:05}: refused\n").encode()))
    return b"".join(parts)


def status() -> bytes:
    """Message 9: done."""
    return b"\x09" + ub(0) + ub(0)


def token(number_: int) -> bytes:
    """Message 33, in front of an answer to a request that carried a token."""
    return b"\x21" + ub(number_) if number_ else b""


__all__ = [
    "DATE", "END_OF_RESPONSE", "NO_MORE_ROWS", "NUMBER", "ROW_HEADER", "ColumnType", "RowEncoder", "describe",
    "end", "parameters", "status", "token",
]  # fmt: skip
