"""The database behind the protocol: a plant's tables in DuckDB, asked in Oracle's SQL.

Text is as it was stored, blanks and all; only '' is NULL. Statements go through the rules that the embedded
source translates with (`tracesvc.catalogue.dialect`), after lists of binds were put together again.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from tests.oracle_wire.answers import ColumnType
from tests.oracle_wire.requests import CHAR, DATE, NUMBER, VARCHAR, Bind
from tracesvc.catalogue import Catalogue, load_catalogue
from tracesvc.catalogue.dialect import SYSDATE_BIND, DialectError, Translation, to_duckdb

MOST_IN_A_LIST: Final = 1000
INDEXED: Final = {
    "DW_MES_CONTAINER": ("CONTAINERID", "CONTAINERNAME", "MFGORDERNAME"),
    "DW_MES_LOTWIPHISTORY": ("CONTAINERID", "TRACKINTIMESTAMP"),
    "DW_MES_LOTMATERIALSHISTORY": ("CONTAINERID",),
    "DW_MES_LOTREJECTHISTORY": ("CONTAINERID", "TXNDATE"),
    "DW_MES_HOLDRELEASEHISTORY": ("CONTAINERID",),
    "DW_MES_PJ_COMBINEDASSYLOTS": ("CONTAINERID", "FINISHEDNAME"),
    "DW_MES_WIP": ("CONTAINERNAME", "TXNDATE"),
    "DW_MES_RESOURCE": ("RESOURCEID",),
}
"""What the plant's indexes begin with (domain.md, 2), as far as the catalogue has the columns."""
NO_TABLE, NO_COLUMN, LIST_TOO_LONG, NOT_A_NUMBER, BROKEN_OFF = 942, 904, 1795, 1722, 1013
INVALID_STATEMENT, NOT_ALL_BOUND = 900, 1008
_TOKENS: Final = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|:(\w+)", re.DOTALL)
_LISTS: Final = re.compile(r"\bIN\s*\(\s*(:\w+(?:\s*,\s*:\w+)+)\s*\)", re.IGNORECASE)


class Refused(Exception):
    """The database says no, with an ORA- code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = f"ORA-{code:05}: {text}\n"


@dataclass(frozen=True)
class Prepared:
    """A statement as DuckDB runs it. `names`: its binds in order; `lists`: those that stand for a list."""

    translation: Translation
    names: tuple[str, ...]
    lists: dict[str, tuple[str, ...]]


class Engine:
    """One plant. Tables, columns and indexes may be left out, for tests of what is told then."""

    def __init__(self, plant: Path | None, setup: str, missing: Sequence[str] = ()) -> None:
        """`missing`: tables, TABLE.COLUMN, index:TABLE.COLUMN; `setup`: SQL that makes further tables."""
        self._catalogue = load_catalogue()
        self._con = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "1GB"})
        self._con.execute("CREATE SCHEMA DWH")
        if plant is not None:
            self._con.execute(f"ATTACH '{plant}' AS plant (READ_ONLY)")
            self._mount(frozenset(missing))
        self._con.execute("CREATE TABLE DUAL AS SELECT 'X' AS DUMMY")
        self._dictionary(self._catalogue, frozenset(missing))
        self._con.execute(setup)
        self._prepare = functools.lru_cache(256)(self._prepared)

    def _mount(self, missing: frozenset[str]) -> None:
        for table in self._catalogue.tables.values():
            if table.name in missing:
                continue
            columns = [
                f'nullif("{c.name}", \'\') AS "{c.name}"' if c.type == "string" else f'"{c.name}"'
                for c in table.columns
                if f"{table.name}.{c.name}" not in missing
            ]
            self._con.execute(
                f'CREATE VIEW DWH."{table.name}" AS SELECT {", ".join(columns)} FROM plant.DWH."{table.name}"'
            )

    def _dictionary(self, catalogue: Catalogue, missing: frozenset[str]) -> None:
        """ALL_TAB_COLUMNS and ALL_IND_COLUMNS, with the indexes that the plant has (domain.md, 2)."""
        self._con.execute(
            "CREATE TABLE ALL_TAB_COLUMNS (OWNER VARCHAR, TABLE_NAME VARCHAR, COLUMN_NAME VARCHAR,"
            " DATA_TYPE VARCHAR)"
        )
        self._con.execute(
            "CREATE TABLE ALL_IND_COLUMNS (TABLE_OWNER VARCHAR, TABLE_NAME VARCHAR, COLUMN_NAME VARCHAR,"
            " COLUMN_POSITION BIGINT)"
        )
        kinds = {"string": "VARCHAR2", "number": "NUMBER", "timestamp": "DATE"}
        for table in catalogue.tables.values():
            if table.name in missing:
                continue
            for column in table.columns:
                if f"{table.name}.{column.name}" in missing:
                    continue
                kind = "CHAR" if column.name in table.ids else kinds[column.type]
                row = [catalogue.schema, table.name, column.name, kind]
                self._con.execute("INSERT INTO ALL_TAB_COLUMNS VALUES (?, ?, ?, ?)", row)
                index = f"{table.name}.{column.name}"
                if column.name in INDEXED.get(table.name, ()) and f"index:{index}" not in missing:
                    self._con.execute("INSERT INTO ALL_IND_COLUMNS VALUES (?, ?, ?, 1)", row[:3])

    def _prepared(self, sql: str) -> Prepared:
        names = tuple(match[1] for match in _TOKENS.finditer(sql) if match[1])
        lists: dict[str, tuple[str, ...]] = {}

        def collapse(match: re.Match[str]) -> str:
            members = tuple(re.findall(r":(\w+)", match[1]))
            if len(members) > MOST_IN_A_LIST:
                raise Refused(LIST_TOO_LONG, "maximum number of expressions in a list is 1000")
            name = next((name for name, kept in lists.items() if kept == members), f"list_{len(lists)}")
            lists[name] = members
            return f"IN (:{name})"

        text = _LISTS.sub(collapse, sql)
        try:
            translation = to_duckdb(text, date_columns=self._catalogue.date_columns)
        except DialectError as error:
            raise Refused(INVALID_STATEMENT, f"invalid SQL statement ({error.detail})") from error
        return Prepared(translation, names, lists)

    def open(self, sql: str) -> Query:
        """A statement on a cursor of its own. Raises `Refused`."""
        return Query(self._con.cursor(), self._prepare(sql))


class Query:
    """A statement that runs or is read."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, prepared: Prepared) -> None:
        self._cursor = cursor
        self._prepared = prepared

    def describe(self) -> tuple[ColumnType, ...]:
        """Its columns, without running it. Raises `Refused`."""
        return self._run(f"SELECT * FROM ({self._prepared.translation.sql}) LIMIT 0", self._nothing())

    def execute(self, binds: Sequence[Bind]) -> tuple[ColumnType, ...]:
        """Run it; its columns. Raises `Refused`."""
        if len(binds) != len(self._prepared.names):
            raise Refused(NOT_ALL_BOUND, "not all variables bound")
        return self._run(self._prepared.translation.sql, self._values(binds))

    def _run(self, sql: str, values: dict[str, object]) -> tuple[ColumnType, ...]:
        try:
            self._cursor.execute(sql, values)
        except duckdb.Error as error:
            raise _refusal(error) from error
        described = self._cursor.description or []
        return tuple(
            _column(name, str(kind))
            for name, kind in zip(
                self._prepared.translation.columns, (part[1] for part in described), strict=True
            )
        )

    def _values(self, binds: Sequence[Bind]) -> dict[str, object]:
        given: dict[str, object] = {}
        for name, bind in zip(self._prepared.names, binds, strict=True):
            value = bind.value
            # Compared as CHAR, blanks at the end do not count.
            given[name] = value.rstrip(" ") if bind.kind == CHAR and isinstance(value, str) else value
        found: dict[str, object] = {
            name: [given[member] for member in members] for name, members in self._prepared.lists.items()
        }
        return {name: found.get(name, given.get(name)) for name in self._wanted()}

    def _nothing(self) -> dict[str, object]:
        return {name: [""] if name in self._prepared.lists else None for name in self._wanted()}

    def _wanted(self) -> Iterator[str]:
        for name in self._prepared.translation.binds:
            if name == SYSDATE_BIND:
                raise Refused(INVALID_STATEMENT, "SYSDATE")
            yield name

    def rows(self, count: int) -> list[tuple[object, ...]]:
        """The next rows. Raises `Refused`."""
        try:
            return self._cursor.fetchmany(count)
        except duckdb.Error as error:
            raise _refusal(error) from error

    def interrupt(self) -> None:
        self._cursor.interrupt()

    def close(self) -> None:
        self._cursor.close()


def _refusal(error: duckdb.Error) -> Refused:
    text = str(error)
    if isinstance(error, duckdb.InterruptException) or "Interrupted" in text:
        return Refused(BROKEN_OFF, "user requested cancel of current operation")
    if isinstance(error, duckdb.CatalogException):
        return Refused(NO_TABLE, "table or view does not exist")
    if isinstance(error, duckdb.BinderException):
        return Refused(NO_COLUMN, '"SECRET"."NAME": invalid identifier')
    if isinstance(error, duckdb.ConversionException):
        return Refused(NOT_A_NUMBER, "invalid number")
    return Refused(INVALID_STATEMENT, "invalid SQL statement")


def _column(name: str, kind: str) -> ColumnType:
    base, _, rest = kind.partition("(")
    if base in ("VARCHAR", "NULL", '"NULL"'):
        return ColumnType(name, VARCHAR, 4000)
    if base in ("TIMESTAMP", "DATE"):
        return ColumnType(name, DATE, 7)
    if base == "DECIMAL":
        precision, scale = (int(part) for part in rest.rstrip(")").split(","))
        if precision < 38:
            return ColumnType(name, NUMBER, 22, precision, scale)
    return ColumnType(name, NUMBER, 22, 0, -127)
