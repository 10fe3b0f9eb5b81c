"""Makes the warehouse's tables in an Oracle database and fills them from a sample plant.

    python deploy/oracle/load.py PLANT.duckdb

The database is the one that DB_* names; the tables go into the schema DWH, which is made when the user may.
Meant for a database to try things on: tables of the same names are dropped.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import duckdb
import oracledb

from tracesvc.catalogue import Catalogue, Table, load_catalogue
from tracesvc.settings import load_settings
from tracesvc.sources.oracle.address import sign_in

ROWS_AT_ONCE: Final = 5000
NO_SUCH_TABLE: Final = "ORA-00942"
USER_EXISTS: Final = "ORA-01920"
TYPES: Final = {"number": "NUMBER", "timestamp": "DATE"}


def main() -> None:
    """Load every table of the built-in catalogue, tell the rows of each."""
    (plant,) = sys.argv[1:]
    catalogue = load_catalogue()
    with sign_in(load_settings())() as connection, duckdb.connect(plant, read_only=True) as con:
        connection.call_timeout = 0
        cursor = connection.cursor()
        _make_schema(cursor, catalogue.schema)
        for table in catalogue.tables.values():
            rows = _load(cursor, con, catalogue, table)
            connection.commit()
            sys.stdout.write(f"{table.name:<28} {rows:>12,} rows\n")


def _make_schema(cursor: oracledb.Cursor, schema: str) -> None:
    try:
        cursor.execute(f"CREATE USER {schema} NO AUTHENTICATION QUOTA UNLIMITED ON USERS")
    except oracledb.Error as error:
        if USER_EXISTS not in str(error):
            raise


def _load(cursor: oracledb.Cursor, con: duckdb.DuckDBPyConnection, catalogue: Catalogue, table: Table) -> int:
    name = f"{catalogue.schema}.{table.name}"
    try:
        cursor.execute(f"DROP TABLE {name} PURGE")
    except oracledb.Error as error:
        if NO_SUCH_TABLE not in str(error):
            raise
    columns = ", ".join(f"{column.name} {_type(table, column.name, column.type)}" for column in table.columns)
    cursor.execute(f"CREATE TABLE {name} ({columns})")
    places = ", ".join(f":{place}" for place in range(1, len(table.columns) + 1))
    selected = ", ".join(f'"{column.name}"' for column in table.columns)
    found = con.execute(f"SELECT {selected} FROM {catalogue.schema}.{table.name}")  # noqa: S608 - the catalogue's
    count = 0
    sizes: list[Any] = [
        {"timestamp": oracledb.DB_TYPE_DATE, "number": oracledb.DB_TYPE_NUMBER}.get(column.type, 2000)
        for column in table.columns
    ]
    while rows := found.fetchmany(ROWS_AT_ONCE):
        cursor.setinputsizes(*sizes)
        cursor.executemany(f"INSERT INTO {name} VALUES ({places})", rows)  # noqa: S608 - the catalogue's
        count += len(rows)
    if "CONTAINERID" in table.ids:
        cursor.execute(f"CREATE INDEX {catalogue.schema}.IX_{table.name[:24]} ON {name} (CONTAINERID)")
    return count


def _type(table: Table, name: str, kind: str) -> str:
    """As the warehouse has them; characters of the sample take up to three bytes."""
    if name in table.ids:
        return "CHAR(16 CHAR)"
    is_list = table.name == "DW_MES_JOB" and name in ("CONTAINERIDS", "CONTAINERNAMES")
    return TYPES.get(kind, "VARCHAR2(4000)" if is_list else "VARCHAR2(1020)")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).exists():  # noqa: PLR2004 - the program and the plant
        sys.exit("usage: python deploy/oracle/load.py PLANT.duckdb")
    main()
