"""A domain's SQL file: read, its macros expanded, then checked against the declared columns by binding it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb

from tracesvc.catalogue.dialect import SYSDATE_BIND, DialectError, to_duckdb
from tracesvc.catalogue.document import Entry
from tracesvc.catalogue.model import Column, ColumnType, Table, WorkcentreGroup
from tracesvc.errors import CatalogueError

DUCKDB_TYPES: Final[Mapping[ColumnType, str]] = {
    "string": "VARCHAR", "integer": "BIGINT", "number": "DECIMAL(38, 10)", "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
}  # fmt: skip
_LISTS: Final = frozenset({"container_ids", "names"})
_MOMENTS: Final = frozenset({"as_of", "since", "until", SYSDATE_BIND})
_FAMILIES: Final[Mapping[ColumnType, tuple[str, ...]]] = {
    "string": ("VARCHAR",),
    "integer": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    "number": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL"),
    "boolean": ("BOOLEAN",),
    "timestamp": ("TIMESTAMP",),
}
_MACRO: Final = re.compile(r"\bWORKCENTRE_GROUP\s*\(\s*([A-Za-z_][\w.]*)\s*\)")


def group_case(column: str, groups: Sequence[WorkcentreGroup]) -> str:
    """The group of a raw workcentre name as one CASE, on one line: line numbers of the file stay true."""

    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    tests = (
        (" OR ".join(f"INSTR(UPPER({column}), {quoted(p)}) > 0" for p in group.patterns), quoted(group.name))
        for group in groups
    )
    return "CASE " + " ".join(f"WHEN {test} THEN {name}" for test, name in tests) + " END"


def read_statement(path: Path, place: Entry, schema: str, groups: Sequence[WorkcentreGroup]) -> str:
    """The statement in a file, with schema and groups filled in. `place` is where the domain is declared."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise place.error(f"the SQL file {path} is missing: add it, or remove the domain") from None
    except (OSError, UnicodeDecodeError) as error:
        raise place.error(f"the SQL file {path} cannot be read: {error}") from error
    text = text.replace("{schema}", schema)
    return _MACRO.sub(lambda match: group_case(match[1], groups), text)


class StatementCheck:
    """Binds statements to the declared tables in an empty database: unknown names and wrong types show."""

    def __init__(self, schema: str, tables: Mapping[str, Table]) -> None:
        self._con = duckdb.connect(config={"threads": 1})
        self._con.execute(f'CREATE SCHEMA "{schema}"')
        for table in tables.values():
            columns = ", ".join(f'"{column.name}" {DUCKDB_TYPES[column.type]}' for column in table.columns)
            self._con.execute(f'CREATE TABLE "{schema}"."{table.name}" ({columns})')
        every = [column for table in tables.values() for column in table.columns]
        self._dates = frozenset(column.name for column in every if column.type == "timestamp")

    def close(self) -> None:
        """Free the empty database."""
        self._con.close()

    def check(self, sql: str, file: str, columns: Sequence[Column], binds: Sequence[str]) -> None:
        """Raise `CatalogueError` with file and line unless the statement gives exactly these columns.

        `binds` are those that it may take.
        """
        try:
            translation = to_duckdb(sql, date_columns=self._dates)
        except DialectError as error:
            raise CatalogueError(f"{file}:{error.line}: {error.detail}") from error
        expected = tuple(column.name for column in columns)
        if translation.columns != expected:
            given, wanted = _first_difference(translation.columns, expected)
            raise CatalogueError(
                f"{file}:1: the statement gives {given} where the catalogue declares {wanted}"
            )
        unknown = translation.binds - {*binds, SYSDATE_BIND}
        if unknown:
            name = min(unknown)
            line = _line_with(sql, f":{name}")
            known = " and ".join(f":{bind}" for bind in binds) or "none"
            raise CatalogueError(f"{file}:{line}: the bind :{name} is not known; there are {known}")
        self._check_types(translation.sql, sql, file, columns)

    def _check_types(self, translated: str, sql: str, file: str, columns: Sequence[Column]) -> None:
        bound = re.sub(r"\$(\w+)", lambda match: f"({_bind_value(match[1])})", translated)
        try:
            described = self._con.execute(f"DESCRIBE {bound}").fetchall()
        except duckdb.Error as error:
            what = str(error).splitlines()[0]
            named = re.findall(r'"(\w+)"|name (\w+)', what) or [("", "")]
            line = _line_with(sql, "".join(named[-1]))
            raise CatalogueError(
                f"{file}:{line}: the statement does not fit the declared tables: {what}"
            ) from error
        for column, (_, kind, *_rest) in zip(columns, described, strict=True):
            if str(kind).split("(")[0] not in _FAMILIES[column.type]:
                line = _line_with(sql, column.name)
                told = f"{column.name} is {kind} where the catalogue declares {column.type}"
                raise CatalogueError(f"{file}:{line}: {told}: cast it, or correct the declaration")


def _bind_value(name: str) -> str:
    if name in _LISTS:
        return "CAST([] AS VARCHAR[])"
    return "TIMESTAMP '2000-01-01'" if name in _MOMENTS else "''"


def _first_difference(given: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, str]:
    for left, right in zip(given, wanted, strict=False):
        if left != right:
            return left, right
    return f"{len(given)} columns", f"{len(wanted)}"


def _line_with(sql: str, text: str) -> int:
    lines = (
        number for number, line in enumerate(sql.splitlines(), 1) if text and text.upper() in line.upper()
    )
    return next(lines, 1)
