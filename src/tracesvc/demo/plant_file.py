"""Where a sample plant is put: a DuckDB file or a folder of Parquet files, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Final

import duckdb

from tracesvc.errors import SettingsError

TABLES: Final = (
    "DW_MES_CONTAINER",
    "DW_MES_LOTWIPHISTORY",
    "DW_MES_LOTMATERIALSHISTORY",
    "DW_MES_LOTREJECTHISTORY",
    "DW_MES_HOLDRELEASEHISTORY",
    "DW_MES_JOB",
    "DW_MES_PJ_COMBINEDASSYLOTS",
    "DW_MES_WIP",
    "DW_MES_RESOURCE",
    "DW_MES_SPEC_WORKCENTER_V",
)
"""The tables of the warehouse (domain.md, 2)."""

MEMORY_LIMIT: Final = "400MB"
"""The engine's own bound: past it, it spills to disk. 114,000 containers peak at 400 MB in the process
(470 MB as Parquet files) and take 9 s on two cores.
"""

THREADS: Final = 2


def is_database(path: Path) -> bool:
    """Whether a plant of this name is one DuckDB file; else it is a folder of Parquet files."""
    return path.suffix == ".duckdb"


def plant_statements(name: str) -> str:
    """The text of one of the package's SQL files."""
    return files("tracesvc.demo").joinpath("plant_sql", name).read_text(encoding="utf-8")


@contextmanager
def new_plant(out: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a database with the ten empty tables; what they hold at the end becomes the plant `out`.

    Everything is made in a folder beside `out` and renamed last: under the name `out` stands the former
    plant or the new one, never half of one. When the block raises, `out` stays as it was.
    Raises `SettingsError` when `out` names something that is no plant and would be lost.
    """
    out = out.absolute()
    _refuse_to_overwrite(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        con = duckdb.connect(
            work / "plant.duckdb",
            config={"memory_limit": MEMORY_LIMIT, "threads": THREADS, "temp_directory": str(work / "spill")},
        )
        with con:
            con.execute(plant_statements("schema.sql"))
            yield con
            _finish(con, out, work)
        _move_into_place(out, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def plant_bytes(path: Path) -> int:
    """What a plant takes on disk, in bytes."""
    if is_database(path):
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.iterdir())


def _refuse_to_overwrite(out: Path) -> None:
    if is_database(out):
        if out.is_dir():
            raise SettingsError(
                f"{out} is a folder, so no sample plant can be written there; choose another."
            )
        return
    if not out.exists():
        return
    ours = {f"{table}.parquet" for table in TABLES}
    if not out.is_dir() or any(entry.name not in ours for entry in out.iterdir()):
        raise SettingsError(
            f"{out} exists and holds more than a plant's tables, which a new sample plant would replace; "
            "choose another name, or one that ends in .duckdb."
        )


def _finish(con: duckdb.DuckDBPyConnection, out: Path, work: Path) -> None:
    if is_database(out):
        con.execute("CHECKPOINT")
        return
    folder = work / "parquet"
    folder.mkdir()
    for table in TABLES:
        target = str(folder / f"{table}.parquet").replace("'", "''")
        con.execute(f"COPY DWH.{table} TO '{target}' (FORMAT parquet, COMPRESSION zstd)")


def _move_into_place(out: Path, work: Path) -> None:
    if is_database(out):
        # A log of the file that stood here before must not be replayed into the new one.
        with suppress(FileNotFoundError):
            out.with_name(f"{out.name}.wal").unlink()
        (work / "plant.duckdb").replace(out)
        return
    if out.exists():
        out.replace(work / "former")
    (work / "parquet").replace(out)
