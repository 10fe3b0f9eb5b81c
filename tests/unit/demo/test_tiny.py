from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tracesvc.demo.plant import plant_container_ids
from tracesvc.demo.plant_file import TABLES
from tracesvc.demo.tiny import TINY_CONTAINER_IDS, TINY_ROWS, make_tiny_plant


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tiny") / "tiny.duckdb"
    make_tiny_plant(out)
    return out


def test_every_written_row_is_in_the_plant(tiny: Path) -> None:
    assert tuple(TINY_ROWS) == TABLES
    with duckdb.connect(tiny, read_only=True) as con:
        for table, rows in TINY_ROWS.items():
            loaded = con.table(f"DWH.{table}").project("COLUMNS(*)::VARCHAR").fetchall()
            as_text = [tuple(None if cell is None else str(cell) for cell in row) for row in rows]
            if table != "DW_MES_LOTMATERIALSHISTORY":
                assert loaded == as_text, table
            else:
                assert [row[:3] + row[4:] for row in loaded] == [row[:3] + row[4:] for row in as_text]


def test_its_containers_are_the_named_ones(tiny: Path) -> None:
    assert plant_container_ids(tiny) == list(TINY_CONTAINER_IDS)
    assert len(set(TINY_CONTAINER_IDS)) == 13
    assert {len(one) for one in TINY_CONTAINER_IDS} == {16}


def test_quantities_keep_fifteen_digits(tiny: Path) -> None:
    with duckdb.connect(tiny, read_only=True) as con:
        consumed = con.sql(
            "SELECT QTYCONSUMED::VARCHAR FROM DWH.DW_MES_LOTMATERIALSHISTORY ORDER BY QTYCONSUMED"
        ).fetchall()
        largest = con.sql("SELECT max(TRACKINQTY) FROM DWH.DW_MES_LOTWIPHISTORY").fetchall()
    assert ("12345678901.2345",) in consumed
    assert ("0.0001",) in consumed
    assert largest == [(999_999_999_999_999,)]


def test_a_folder_holds_the_same_plant(tiny: Path, tmp_path: Path) -> None:
    make_tiny_plant(tmp_path / "tiny")
    with duckdb.connect(tiny, read_only=True) as con:
        for table in TABLES:
            rows = duckdb.read_parquet(str(tmp_path / "tiny" / f"{table}.parquet")).fetchall()
            assert rows == con.table(f"DWH.{table}").fetchall()
