"""Arrow types for a statement's columns, so that nothing is lost on the way from Oracle's NUMBER.

What the driver would take itself is a double for most NUMBERs: digits are lost from 2^53 on. Asked for, an
int64 drops fractions in silence, and a decimal128(38, 10) overflows in silence when 38 digits stand before
the point. So: at most 28 digits are asked for, of which the driver refuses more (DPY-4042), and what it
refuses is read once more with room for everything that has 38 digits.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import oracledb
from arro3.compute import cast
from arro3.core import Array, DataType, Field, RecordBatch, Schema, Table

from tracesvc.sources.base import SourceError, ValueRefused

_DIGITS: Final = 38
_SCALE: Final = 10
NARROW: Final = DataType.decimal128(_DIGITS - _SCALE, _SCALE)
STORED: Final = DataType.decimal128(_DIGITS, _SCALE)
"""What a narrow number fits with every scale; texts of a (28, 10) would end after 28 digits."""
WIDE: Final = DataType.decimal256(_DIGITS, _DIGITS)
WIDE_STORED: Final = DataType.decimal256(2 * _DIGITS, _DIGITS)
_TIME: Final = DataType.timestamp("us")
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - the plant's times have no zone
_MICROSECOND: Final = timedelta(microseconds=1)
_WHOLE_DIGITS: Final = 18
_WHOLE: Final = DataType.decimal128(_WHOLE_DIGITS, 0)

Described = Sequence[tuple[Any, ...]]
"""A cursor's description: name, type, sizes, precision, scale, whether null."""


def requested(described: Described, *, wide: bool) -> Field:
    """What to ask the driver for. It wants a field with a name: one without crashes it.

    Raises `SourceError` for a type that no record can hold.
    """
    fields = [Field(column[0], _asked(column, wide=wide)) for column in described]
    return Field("row", DataType.struct(fields))


def _asked(column: tuple[Any, ...], *, wide: bool) -> DataType:
    kind, precision, scale = column[1], column[4], column[5]
    if kind is oracledb.DB_TYPE_NUMBER:
        if wide:
            return WIDE
        return _WHOLE if scale == 0 and precision in range(1, _WHOLE_DIGITS + 1) else NARROW
    if kind in _TEXT:
        return DataType.string()
    if kind in _TIMES:
        return _TIME
    if kind in _FLOATS:
        return DataType.float64()
    raise SourceError(f"the column {column[0]} has a type that no record can hold: cast it in the catalogue")


_TEXT: Final = frozenset(
    {
        oracledb.DB_TYPE_CHAR, oracledb.DB_TYPE_VARCHAR, oracledb.DB_TYPE_NCHAR, oracledb.DB_TYPE_NVARCHAR,
        oracledb.DB_TYPE_LONG,
    }
)  # fmt: skip
_TIMES: Final = frozenset({oracledb.DB_TYPE_DATE, oracledb.DB_TYPE_TIMESTAMP})
_FLOATS: Final = frozenset({oracledb.DB_TYPE_BINARY_DOUBLE, oracledb.DB_TYPE_BINARY_FLOAT})


def batch_of(frame: object) -> RecordBatch | None:
    """A frame of the driver as a batch that says of its numbers what they are; None when it is empty."""
    batches = Table.from_arrow(frame).to_batches()  # type: ignore[arg-type]
    if not batches or not batches[0].num_rows:
        return None
    (batch,) = batches
    return RecordBatch.from_arrow(_Restored(batch))


class _Restored:
    """A batch whose decimals have room for all digits: the same bytes, only their type is another."""

    def __init__(self, batch: RecordBatch) -> None:
        self._batch = batch

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        names, kinds = self._batch.column_names, tuple(column.type for column in self._batch.columns)
        _, array = self._batch.__arrow_c_array__()
        return _restored(tuple(names), kinds).__arrow_c_schema__(), array


@functools.lru_cache(256)
def _restored(names: tuple[str, ...], kinds: tuple[DataType, ...]) -> Schema:
    roomy = {NARROW: STORED, WIDE: WIDE_STORED}
    return Schema([Field(name, roomy.get(kind, kind)) for name, kind in zip(names, kinds, strict=True)])


def batch_of_rows(rows: Sequence[tuple[Any, ...]], described: Described) -> RecordBatch:
    """The same from rows, whose numbers are `Decimal`. Raises `ValueRefused` for one of over 38 digits."""
    columns = []
    for place, column in enumerate(described):
        values = [row[place] for row in rows]
        columns.append(_column(values, _asked(column, wide=True)))
    fields = [Field(column[0], values.type) for column, values in zip(described, columns, strict=True)]
    return RecordBatch.from_arrays(columns, schema=Schema(fields))


def _column(values: list[Any], kind: DataType) -> Array:
    if kind == _TIME:
        micros = [None if value is None else (value - _EPOCH) // _MICROSECOND for value in values]
        return cast(Array(micros, type=DataType.int64()), kind)
    if kind != WIDE:
        return Array(values, type=kind)
    texts = [None if value is None else format(value, "f") for value in values]
    if any(text is not None and not _fits(text) for text in texts):
        raise ValueRefused("the database holds a number of more than 38 digits")
    return cast(Array(texts, type=DataType.string()), WIDE_STORED)


def _fits(text: str) -> bool:
    whole, _, fraction = text.lstrip("-").partition(".")
    return len(whole) <= _DIGITS and len(fraction) <= _DIGITS
