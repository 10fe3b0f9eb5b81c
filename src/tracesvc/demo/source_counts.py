"""How many records a plant holds, counted by plain SQL on its file, apart from the catalogue's statements.

The counts follow domain.md, section 4. They are what a trace is checked against.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb

COUNTS: Final = {
    # one record a session: what shares container, equipment, spec and track-in
    "history": """
        SELECT count(*) FROM (
            SELECT DISTINCT
                trim(h.CONTAINERID), trim(h.EQUIPMENTID), nullif(trim(h.SPECNAME), ''), h.TRACKINTIMESTAMP
            FROM plant.DWH.DW_MES_LOTWIPHISTORY h JOIN asked ON asked.id = trim(h.CONTAINERID)
            WHERE trim(h.EQUIPMENTID) <> '' AND h.TRACKINTIMESTAMP IS NOT NULL)""",
    "materials": """
        SELECT count(*) FROM plant.DWH.DW_MES_LOTMATERIALSHISTORY m
        JOIN asked ON asked.id = trim(m.CONTAINERID)""",
    "rejects": """
        SELECT count(*) FROM plant.DWH.DW_MES_LOTREJECTHISTORY r
        JOIN asked ON asked.id = trim(r.CONTAINERID)""",
    "holds": """
        SELECT count(*) FROM plant.DWH.DW_MES_HOLDRELEASEHISTORY h
        JOIN asked ON asked.id = trim(h.CONTAINERID)""",
    # one record a repair order and container in its comma list, matched whole
    "jobs": """
        SELECT count(*) FROM (
            SELECT DISTINCT listed.order_row, asked.id FROM (
                SELECT j.rowid AS order_row, trim(unnest(string_split(j.CONTAINERIDS, ','))) AS id
                FROM plant.DWH.DW_MES_JOB j) listed
            JOIN asked ON asked.id = listed.id)""",
}


def source_counts(plant: Path, container_ids: Sequence[str]) -> dict[str, int]:
    """Records of each of `query_tool`'s domains for these containers in a `.duckdb` plant."""
    with duckdb.connect(":memory:") as con:
        con.execute(f"ATTACH '{str(plant).replace(chr(39), chr(39) * 2)}' AS plant (READ_ONLY)")
        con.execute(
            "CREATE TEMP TABLE asked AS SELECT DISTINCT unnest($ids) AS id", {"ids": list(container_ids)}
        )
        return {domain: _number(con, sql) for domain, sql in COUNTS.items()}


def _number(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    assert row is not None
    return int(row[0])
