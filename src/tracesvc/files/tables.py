"""Rows of `records` lines as Arrow batches of declared types."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import orjson
from arro3.core import DataType, Field, RecordBatch, Schema, list_flatten
from arro3.io import read_json

from tracesvc.line_bytes import counted

if TYPE_CHECKING:
    from tracesvc.lines import ColumnInfo

# Decimals are declared by the catalogue; a client that knows no digits reads numbers as doubles.
_TYPES: Final = {
    "string": DataType.string(),
    "integer": DataType.int64(),
    "number": DataType.float64(),
    "boolean": DataType.bool(),
    "timestamp": DataType.timestamp("us"),  # the finest that Parquet, pandas and DuckDB all read as such
}
USUAL_ROWS: Final = 5000  # the reader makes room for so many at once
_FIRST_KEY: Final = re.compile(rb'\[\{("[^"\\]+":)')


@dataclass(frozen=True)
class FileColumn:
    """A column of a file; `precision` and `scale` are a number's digits, where they are declared."""

    name: str
    type: str
    precision: int | None = None
    scale: int | None = None

    @classmethod
    def of(cls, columns: Sequence[ColumnInfo]) -> list[Self]:
        """The columns that a `domain_start` line declares."""
        return [cls(column.name, column.type) for column in columns]

    @classmethod
    def declared(cls, column: Mapping[str, Any]) -> Self:
        """One of `GET /catalogue`."""
        return cls(column["name"], column["type"], column.get("precision"), column.get("scale"))


def arrow_schema(columns: Sequence[FileColumn], metadata: dict[str, str] | None = None) -> Schema:
    """The Arrow schema of these columns; numbers with declared digits are decimals, others doubles."""
    fields = [Field(column.name, _type_of(column), nullable=True) for column in columns]
    return Schema(fields, metadata=dict(metadata or {}))


def _type_of(column: FileColumn) -> DataType:
    if column.type == "number" and column.precision is not None:
        return DataType.decimal128(column.precision, column.scale or 0)
    return _TYPES[column.type]


def _own_reader() -> Callable[[object, bytes, int, int], object | None] | None:
    try:
        from tracesvc.files._rows import read  # noqa: PLC0415 - it may be missing
    except ImportError:  # there was no C compiler when this was installed
        return None
    return read


OWN_READER: Final = _own_reader()
"""What reads lines in our encoder's form, where it could be compiled."""


def record_lines(rows: bytes) -> bytes:
    """A JSON array of records as one record a line.

    Records of one array begin with the same key, so that their seams are known by their bytes: inside a JSON
    string a quote is always escaped. 5000 rows of 2.1 MB take 1.5 ms.
    """
    first = _FIRST_KEY.match(rows)
    if first is None:
        return b""
    seam = b"},{" + first[1]
    return rows[1:-1].replace(seam, b"}\n{" + first[1]) + b"\n"


def plain_records(rows: bytes) -> bytes:
    """The same for an array that others than `encode_rows` have made: parsed, and written in one form."""
    return b"".join(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in orjson.loads(rows))


def record_batch(line: bytes, schema: Schema) -> RecordBatch:
    """The records of a `records` line as one batch; columns that a record lacks are null."""
    own = _own_records(line, schema)
    return _any_records(line, schema) if own is None else own


def _own_records(line: bytes, schema: Schema) -> RecordBatch | None:
    """A line in our encoder's form, read by `_rows.c`: in a fifth of the time. None for any other."""
    if OWN_READER is None or (found := counted(line)) is None:
        return None
    declared = schema.__arrow_c_schema__()
    count, begin = found
    columns = OWN_READER(declared, line, begin, count)
    return None if columns is None else RecordBatch.from_arrow_pycapsule(declared, columns)


def _any_records(line: bytes, schema: Schema) -> RecordBatch:
    """A line of any form that JSON has, by arro3.

    The reader takes one record a line; to cut the line into such takes a fourth as long as to read them. So
    the line itself is read as one record with one list, whose items are the rows.
    """
    row = DataType.struct([schema.field(index) for index in range(len(schema))])
    whole = Schema([Field("data", DataType.list(Field("item", row, nullable=True)), nullable=True)])
    read = read_json(line, whole, batch_size=USUAL_ROWS).read_next_batch()
    return RecordBatch.from_struct_array(list_flatten(read.column(0))).with_schema(schema)
