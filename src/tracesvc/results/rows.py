"""Arrow batches as JSON rows: encoded once here, afterwards only ever cut and copied as bytes.

The form of a value is the contract's (protocol.md, section 1): numbers in their shortest exact form,
explicit nulls, naive timestamps with a `T`, unescaped UTF-8, keys in column order.

Both functions find keys in encoded rows by their bytes. That is exact: inside a JSON string a quote
is always escaped, and a column's name is plain (no quote, backslash or punctuation), so the bytes
`"NAME":` cannot stand anywhere but at a key.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Final, Literal

from arro3 import compute
from arro3.core import Array, DataType, RecordBatch
from arro3.core.types import ArrayInput
from arro3.io import write_json

# The encoder holds the GIL, and statements wait for it when they begin and end: a job of 1.2 M records took
# 7.0 s with parts of 1000 rows, 8.2 s with 2500 (medians of 8).
_ROWS_AT_ONCE: Final = 1000
# Decimals without a fraction: a cast to whole numbers loses nothing.
_WHOLE: Final = tuple(DataType.decimal128(digits, 0) for digits in range(1, 39))
_FLOAT_EXACT_WHOLE: Final = 2**53
# Seconds since 1970. The encoder would write an error text in place of a date that it cannot show.
_YEAR_1: Final = -62_135_596_800
_YEAR_10000: Final = 253_402_300_800
_TEXT: Final = (DataType.is_string, DataType.is_large_string, DataType.is_string_view)
_COMMA: Final = ord(",")
_PLAIN_NAME: Final = re.compile(r"[\w$#]+")


def encode_rows(batch: RecordBatch) -> bytes:
    """The batch as one compact JSON array of objects, `[{"A":1,"B":null},...]`; without rows `[]`.

    Columns may hold text, booleans, integers, decimals, floats (NaN and infinity become null) and
    timestamps without a zone. Raises `TypeError` for any other type, `ValueError` for a column whose
    name is not made of letters, digits and `_ $ #`, and for a timestamp outside the years 1 to 9999.
    """
    columns: dict[str, ArrayInput] = {}
    texts: dict[str, list[bytes]] = {}
    for name, column in zip(batch.column_names, batch.columns, strict=True):
        kind = _kind(column.type)
        _refuse(name, kind, column)
        if kind == "shaped":
            whole = _as_whole(column)
            if whole is None:
                texts[name] = _number_texts(column, name)
                whole = _nulls(batch.num_rows)
            columns[name] = whole
        elif kind == "time":
            # The encoder's own text of a timestamp is the same and takes twice as long.
            columns[name] = compute.cast(column, DataType.string())
        else:
            columns[name] = column
    data = _write(RecordBatch.from_pydict(columns))
    for name, values in texts.items():
        data = _weave(data, f'"{name}":null'.encode(), values)
    return data


def slice_rows(data: bytes, first_column: str, start: int, stop: int) -> bytes:
    """Rows `start` to `stop` (exclusive) of an array that `encode_rows` made, as such an array.

    `first_column` is the name of its first column. Rows are not parsed. A range that reaches past the
    end is cut at the end; one that holds no row gives `[]`.
    """
    start = max(start, 0)
    if stop <= start or len(data) <= len(b"[]"):
        return b"[]"
    opening = f'{{"{first_column}":'.encode()
    between = b"}," + opening
    rows = data[1:-1].split(between, stop)
    kept = rows[start:stop]
    if not kept:
        return b"[]"
    head = opening if start else b""
    tail = b"}" if len(rows) > stop else b""
    return b"".join((b"[", head, between.join(kept), tail, b"]"))


def _write(batch: RecordBatch) -> bytes:
    """One array, written part by part into one buffer: each part's `[` lands on the `]` before it."""
    target = io.BytesIO()
    seams = []
    for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
        if start:
            seams.append(target.seek(-1, io.SEEK_CUR))
        rows = batch.slice(start, min(_ROWS_AT_ONCE, batch.num_rows - start))
        write_json(rows, target, explicit_nulls=True)
    with target.getbuffer() as written:
        for seam in seams:
            written[seam] = _COMMA
    return target.getvalue() or b"[]"


def _weave(data: bytes, placeholder: bytes, values: list[bytes]) -> bytes:
    """Put the n-th value in the place of the n-th placeholder."""
    around = data.split(placeholder)
    parts = chain.from_iterable(zip(around, values, strict=False))
    return b"".join((*parts, around[-1]))


def _refuse(name: str, kind: str | None, column: Array) -> None:
    if not _is_plain_name(name):
        message = f"column {name!r}: a name may hold letters, digits and _ $ # only"
        raise ValueError(message)
    if kind is None:
        message = f"column {name}: values of type {str(column.type).strip()} have no place in a record"
        raise TypeError(message)
    if kind == "time" and not _within(_seconds(column), _YEAR_1, _YEAR_10000 - 1):
        message = f"column {name}: a timestamp lies outside the years 1 to 9999"
        raise ValueError(message)


@lru_cache
def _is_plain_name(name: str) -> bool:
    return _PLAIN_NAME.fullmatch(name) is not None


@lru_cache
def _kind(kind: DataType) -> Literal["time", "shaped", "plain"] | None:
    """How values of this type are written: as text, as shaped numbers, as they are; None: not at all."""
    if _is(kind, DataType.is_timestamp):
        return "time" if kind.tz is None else None
    if _is(kind, DataType.is_floating, DataType.is_decimal128, DataType.is_decimal256):
        return "shaped"
    if _is(kind, DataType.is_dictionary):
        return "plain" if kind.value_type is not None and _is(kind.value_type, *_TEXT) else None
    plain = (*_TEXT, DataType.is_boolean, DataType.is_integer, DataType.is_null)
    return "plain" if _is(kind, *plain) else None


def _is(kind: DataType, *tests: Callable[[DataType], object]) -> bool:
    return any(test(kind) for test in tests)


def _seconds(column: Array) -> Array:
    return compute.cast(compute.cast(column, DataType.timestamp("s")), DataType.int64())


def _as_whole(column: Array) -> Array | None:
    """The column as whole numbers, or None when some value is none: 0.1 ms for 5000 values."""
    if _is(column.type, DataType.is_floating):
        whole = compute.cast(column, DataType.int64())
        exact = _within(whole, -_FLOAT_EXACT_WHOLE, _FLOAT_EXACT_WHOLE) and _same(column, whole)
        return whole if exact else None
    for kind in (DataType.int64(), DataType.decimal128(38, 0)):
        whole = compute.cast(column, kind)
        if whole.null_count == column.null_count:
            return whole if column.type in _WHOLE or _same(column, whole) else None
    return None


def _same(column: Array, whole: Array) -> bool:
    """Whether nothing was lost; a value that a cast cannot hold became null, in either direction."""
    rest = compute.sub(column, compute.cast(whole, column.type))
    return rest.null_count == column.null_count and _within(rest, 0, 0)


def _within(column: Array, low: int, high: int) -> bool:
    if column.null_count == len(column):
        return True
    return bool(low <= compute.min(column).as_py() and compute.max(column).as_py() <= high)


def _number_texts(column: Array, name: str) -> list[bytes]:
    """Each value as the member it will be, `"NAME":1.5`; quantities repeat, so each value is shaped once."""
    texts: list[str | None] = list(compute.cast(column, DataType.string()).to_pylist())
    members = {text: f'"{name}":{_shortest(text)}'.encode() for text in set(texts)}
    return [members[text] for text in texts]


def _shortest(text: str | None) -> str:
    if text is None or text[-1] in "Nf":  # NaN, inf
        return "null"
    if "e" in text:
        text = format(Decimal(text), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _nulls(count: int) -> Array:
    return Array([None] * count, type=DataType.bool())
