"""A sample plant of any size: SQL files under `plant_sql`, run in DuckDB slice by slice."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from tracesvc.demo.plant_file import TABLES, is_database, new_plant, plant_bytes, plant_statements
from tracesvc.errors import SettingsError

SLICE_CONTAINERS: Final = 16_384
"""Containers whose events are made at once; larger slices take more memory (57,000: 490 MB)
and are no faster.
"""


@dataclass(frozen=True)
class PlantSummary:
    """What was written: rows of each table, seconds it took, bytes on disk."""

    rows: Mapping[str, int]
    seconds: float
    bytes: int


def make_plant(out: Path, *, containers: int, seed: int) -> PlantSummary:
    """Write a plant of exactly `containers` containers that looks like the one of domain.md (sections 1-4).

    The same `containers` and `seed` give the same rows in the same order. A name that ends in `.duckdb` makes
    a database file with the tables in schema `DWH`, any other a folder of `TABLE.parquet` files. What stands
    under the name `out` is replaced only once the new plant is whole.
    Raises `SettingsError` for fewer than one container, or when `out` holds something that is no plant.
    """
    if containers < 1:
        raise SettingsError(f"A sample plant of {containers} containers cannot be made; ask for at least 1.")
    began = time.perf_counter()
    with new_plant(out) as con:
        _set_sizes(con, containers, seed)
        for name in ("floor.sql", "lots.sql"):
            con.execute(plant_statements(name))
        _write_events(con, containers)
        con.execute(plant_statements("repairs.sql"))
        rows = {table: _count(con, table) for table in TABLES}
    return PlantSummary(rows=rows, seconds=time.perf_counter() - began, bytes=plant_bytes(out))


def plant_container_ids(path: Path, limit: int | None = None) -> list[str]:
    """The ids of a plant's containers in ascending order, at most `limit` of them; the plant is only read."""
    with duckdb.connect(path if is_database(path) else ":memory:", read_only=is_database(path)) as con:
        if is_database(path):
            containers = con.table("DWH.DW_MES_CONTAINER")
        else:
            containers = con.read_parquet(str(path / "DW_MES_CONTAINER.parquet"))
        ids = containers.project("trim(CONTAINERID) AS id").filter("id <> ''").order("id")
        return [row[0] for row in (ids if limit is None else ids.limit(limit)).fetchall()]


def _set_sizes(con: duckdb.DuckDBPyConnection, containers: int, seed: int) -> None:
    wafers, upstream, rework = containers // 50, containers // 25, containers // 25
    sizes = {
        "seed": seed,
        "containers": containers,
        "wafers": wafers,
        "upstream": upstream,
        "rework": rework,
        "assembly": containers - wafers - upstream - rework,
        "repairs": max(1, containers * 105 // 1000),
    }
    for name, value in sizes.items():
        con.execute(f"SET VARIABLE {name} = {value:d}::BIGINT")


def _write_events(con: duckdb.DuckDBPyConnection, containers: int) -> None:
    statements = plant_statements("sessions.sql") + plant_statements("events.sql")
    con.execute("CREATE TEMP TABLE visit (machine BIGINT, rn BIGINT, sid BIGINT, track_in TIMESTAMP)")
    for start in range(0, containers, SLICE_CONTAINERS):
        con.execute(f"SET VARIABLE from_rn = {start}; SET VARIABLE to_rn = {start + SLICE_CONTAINERS}")
        con.execute(statements)


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(con.table(f"DWH.{table}").count("*").fetchall()[0][0])
