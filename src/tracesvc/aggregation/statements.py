"""The SQL of the analysis, one file a definition, each run on a connection to an analysis file."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, Final

import duckdb
from arro3.core import RecordBatchReader

Row = dict[str, Any]

ROWS_AT_ONCE: Final = 5_000


def run(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Run every statement of sql/`name`.sql."""
    con.execute(_text(name))


def rows(
    con: duckdb.DuckDBPyConnection, name: str, params: Mapping[str, object] | None = None, **names: str
) -> list[Row]:
    """The rows of sql/`name`.sql with `names` (tables, columns: ours) put in and `params` bound."""
    cursor = con.execute(_text(name, **names), params or {})
    columns = [column[0] for column in cursor.description or ()]
    return [dict(zip(columns, values, strict=True)) for values in cursor.fetchall()]


def stream(
    con: duckdb.DuckDBPyConnection, name: str, params: Mapping[str, object], **names: str
) -> Iterator[list[Row]]:
    """The same, at most `ROWS_AT_ONCE` at a time; until the last, nothing else may run on the connection."""
    relation = con.sql(_text(name, **names), params=dict(params))
    for batch in RecordBatchReader.from_stream(relation):
        for start in range(0, batch.num_rows, ROWS_AT_ONCE):
            piece = batch.slice(start, min(ROWS_AT_ONCE, batch.num_rows - start))
            columns = [column.to_pylist() for column in piece.columns]
            yield [
                dict(zip(piece.column_names, values, strict=True)) for values in zip(*columns, strict=True)
            ]


def _text(name: str, **names: str) -> str:
    text = _file(name)
    for key, value in names.items():
        text = text.replace(f"{{{key}}}", value)
    return text


@functools.cache
def _file(name: str) -> str:
    return (files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")
