"""The independent counts that a demo is checked against."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tracesvc.demo.source_counts import source_counts

TABLES = """
CREATE SCHEMA DWH;
CREATE TABLE DWH.DW_MES_LOTWIPHISTORY (CONTAINERID VARCHAR, EQUIPMENTID VARCHAR, SPECNAME VARCHAR, TRACKINTIMESTAMP TIMESTAMP);
CREATE TABLE DWH.DW_MES_LOTMATERIALSHISTORY (CONTAINERID VARCHAR);
CREATE TABLE DWH.DW_MES_LOTREJECTHISTORY (CONTAINERID VARCHAR);
CREATE TABLE DWH.DW_MES_HOLDRELEASEHISTORY (CONTAINERID VARCHAR);
CREATE TABLE DWH.DW_MES_JOB (JOBID VARCHAR, CONTAINERIDS VARCHAR);
"""  # noqa: E501

ROWS = """
INSERT INTO DWH.DW_MES_LOTWIPHISTORY VALUES
    ('a', 'E1', 'S', '2026-01-01'), ('a ', 'E1 ', 'S ', '2026-01-01'),  -- two partials of one session, padded
    ('a', 'E1', NULL, '2026-01-01'), ('a', 'E1', '  ', '2026-01-01'),   -- one more, without a spec
    ('a', 'E1', 'S', '2026-01-02'),                                     -- another track-in
    ('a', NULL, 'S', '2026-01-01'), ('a', ' ', 'S', '2026-01-01'), ('a', 'E1', 'S', NULL),
    ('stranger', 'E1', 'S', '2026-01-01');
INSERT INTO DWH.DW_MES_LOTMATERIALSHISTORY VALUES ('a'), ('a '), ('stranger');
INSERT INTO DWH.DW_MES_LOTREJECTHISTORY VALUES ('b'), ('stranger');
INSERT INTO DWH.DW_MES_JOB VALUES ('J1', 'a, b,a,'), ('J1', 'b'), ('J2', 'aa,ab'), ('J3', NULL), ('J4', '');
"""


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    path = tmp_path / "it's a plant.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute(TABLES)
        con.execute(ROWS)
    return path


def test_sessions_are_counted_once_lists_by_whole_ids_and_strangers_not_at_all(plant: Path) -> None:
    counts = source_counts(plant, ["a", "b", "a"])
    assert counts == {"history": 3, "materials": 2, "rejects": 1, "holds": 0, "jobs": 3}
