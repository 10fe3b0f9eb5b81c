"""The SQL of the analysis, one file a definition, each run on a connection to an analysis file."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import duckdb

Row = dict[str, Any]


def run(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Run every statement of sql/`name`.sql."""
    con.execute(_text(name))


def rows(
    con: duckdb.DuckDBPyConnection, name: str, params: Mapping[str, object] | None = None, **names: str
) -> list[Row]:
    """The rows of sql/`name`.sql with `names` (tables, columns: ours) put in and `params` bound."""
    text = _text(name)
    for key, value in names.items():
        text = text.replace(f"{{{key}}}", value)
    cursor = con.execute(text, params or {})
    columns = [column[0] for column in cursor.description or ()]
    return [dict(zip(columns, values, strict=True)) for values in cursor.fetchall()]


@functools.cache
def _text(name: str) -> str:
    return (files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")
