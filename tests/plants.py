"""Plants made of a few rows, for what the sample plants do not hold, and statements on them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from tracesvc.catalogue import Catalogue
from tracesvc.demo.plant_file import new_plant
from tracesvc.settings import load_settings
from tracesvc.slots import LocalSlots
from tracesvc.sources import Source, open_source
from tracesvc.statements import Statements

COLUMNS: Final = {
    "DW_MES_CONTAINER": (
        "CONTAINERID", "CONTAINERNAME", "FIRSTNAME", "MFGORDERNAME", "OBJECTTYPE", "ORIGINALCONTAINERID",
        "SPLITFROMID",
    ),
    "DW_MES_PJ_COMBINEDASSYLOTS": ("CONTAINERID", "LOTID", "FINISHEDNAME"),
    "DW_MES_LOTWIPHISTORY": (
        "CONTAINERID", "EQUIPMENTID", "EQUIPMENTNAME", "WORKCENTERNAME", "SPECNAME", "TRACKINTIMESTAMP",
        "TRACKINQTY",
    ),
    "DW_MES_LOTREJECTHISTORY": ("CONTAINERID", "WORKCENTERNAME", "LOSSREASONNAME", "REJECTQTY", "TXNDATE"),
    "DW_MES_WIP": ("CONTAINERNAME", "WORKFLOWNAME", "TXNDATE"),
}  # fmt: skip
"""The columns that rows are given in, by table; all others are null."""

Rows = Sequence[Sequence[Any]]


def write_plant(path: Path, **tables: Rows) -> Path:
    """A plant whose tables, named without `DW_MES_` and in lower case, hold these rows and nothing else."""
    with new_plant(path) as con:
        for name, rows in tables.items():
            table = f"DW_MES_{name.upper()}"
            columns = COLUMNS[table]
            marks = ", ".join("?" * len(columns))
            for row in rows:
                padded = [*row, *[None] * (len(columns) - len(row))]
                con.execute(f"INSERT INTO DWH.{table} ({', '.join(columns)}) VALUES ({marks})", padded)
    return path


@contextlib.asynccontextmanager
async def statements_on(
    path: Path, catalogue: Catalogue, wrap: Callable[[Source], Source] = lambda source: source
) -> AsyncIterator[Statements]:
    """The statements of the stages on a plant; `wrap` may stand between."""
    source = wrap(open_source(load_settings(trace_source_url=f"duckdb://{path.resolve()}"), catalogue))
    yield Statements(source, catalogue, LocalSlots(2), 5000)
    await source.close()
