"""Rows of `records` lines as Arrow batches of declared types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import orjson
from arro3.core import DataType, Field, RecordBatch, Schema
from arro3.io import read_json
from pydantic import BaseModel, ConfigDict

from tracesvc.lines import ColumnInfo

# Decimals are declared by the catalogue; a client that knows no digits reads numbers as doubles.
_TYPES: Final = {
    "string": DataType.string(),
    "integer": DataType.int64(),
    "number": DataType.float64(),
    "boolean": DataType.bool(),
    "timestamp": DataType.timestamp("us"),  # the finest that Parquet, pandas and DuckDB all read as such
}
_FIRST_KEY: Final = re.compile(rb'\[\{("[^"\\]+":)')
MOST_ROWS: Final = 50_000


class FileColumn(BaseModel):
    """A column of a file; `precision` and `scale` are a number's digits, where they are declared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    type: str
    precision: int | None = None
    scale: int | None = None

    @classmethod
    def of(cls, columns: Sequence[ColumnInfo]) -> list[FileColumn]:
        """The columns that a `domain_start` line declares."""
        return [cls(name=column.name, type=column.type) for column in columns]


def arrow_schema(columns: Sequence[FileColumn], metadata: dict[str, str] | None = None) -> Schema:
    """The Arrow schema of these columns; numbers with declared digits are decimals, others doubles."""
    fields = [Field(column.name, _type_of(column), nullable=True) for column in columns]
    return Schema(fields, metadata=dict(metadata or {}))


def _type_of(column: FileColumn) -> DataType:
    if column.type == "number" and column.precision is not None:
        return DataType.decimal128(column.precision, column.scale or 0)
    return _TYPES[column.type]


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


def record_batch(lines: bytes, schema: Schema) -> RecordBatch:
    """At most `MOST_ROWS` records, one a line and at least one, as one batch."""
    return read_json(lines, schema, batch_size=MOST_ROWS).read_next_batch()
