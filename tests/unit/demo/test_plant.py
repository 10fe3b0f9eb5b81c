from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tracesvc.demo import plant_file
from tracesvc.demo.plant import PlantSummary, make_plant, plant_container_ids
from tracesvc.demo.plant_file import TABLES, new_plant
from tracesvc.errors import SettingsError

CONTAINERS = 2000
SESSION = "CONTAINERID, EQUIPMENTID, trim(SPECNAME), TRACKINTIMESTAMP"
WHOLE = "EQUIPMENTID IS NOT NULL AND TRACKINTIMESTAMP IS NOT NULL"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PlantSummary]:
    out = tmp_path_factory.mktemp("plant") / "plant.duckdb"
    return out, make_plant(out, containers=CONTAINERS, seed=7)


@pytest.fixture(scope="module")
def plant(made: tuple[Path, PlantSummary]) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(made[0], read_only=True) as con:
        con.execute("USE DWH")
        yield con


def value(con: duckdb.DuckDBPyConnection, sql: str) -> Any:
    return con.sql(sql).fetchall()[0][0]


def contents(path: Path) -> dict[str, list[Any]]:
    with duckdb.connect(path, read_only=True) as con:
        return {table: con.table(f"DWH.{table}").fetchall() for table in TABLES}


def test_same_size_and_seed_make_the_same_rows_in_the_same_order_whatever_the_threads(
    made: tuple[Path, PlantSummary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plant_file, "THREADS", 1)
    monkeypatch.setattr("tracesvc.demo.plant.SLICE_CONTAINERS", 300)
    make_plant(tmp_path / "again.duckdb", containers=CONTAINERS, seed=7)
    assert contents(made[0]) == contents(tmp_path / "again.duckdb")


def test_another_seed_makes_another_plant(made: tuple[Path, PlantSummary], tmp_path: Path) -> None:
    make_plant(tmp_path / "other.duckdb", containers=CONTAINERS, seed=8)
    one, other = contents(made[0]), contents(tmp_path / "other.duckdb")
    assert [table for table in TABLES if one[table] == other[table]] == []


def test_a_folder_of_parquet_files_holds_the_same_plant(
    made: tuple[Path, PlantSummary], tmp_path: Path
) -> None:
    out = tmp_path / "folder"
    summary = make_plant(out, containers=CONTAINERS, seed=7)
    expected = contents(made[0])
    for table in TABLES:
        assert duckdb.read_parquet(str(out / f"{table}.parquet")).fetchall() == expected[table]
    assert summary.rows == made[1].rows
    assert plant_container_ids(out) == plant_container_ids(made[0])
    assert make_plant(out, containers=50, seed=1).rows["DW_MES_CONTAINER"] == 50


def test_summary_tells_rows_seconds_and_bytes(
    made: tuple[Path, PlantSummary], plant: duckdb.DuckDBPyConnection
) -> None:
    out, summary = made
    assert summary.rows == {table: value(plant, f"SELECT count(*) FROM {table}") for table in TABLES}
    assert summary.seconds > 0
    assert summary.bytes == out.stat().st_size
    assert [entry.name for entry in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize("containers", [1, 2, 24, 25, 49, 50, 121])
def test_the_smallest_plants_have_exactly_their_containers(containers: int, tmp_path: Path) -> None:
    make_plant(tmp_path / "small.duckdb", containers=containers, seed=3)
    assert len(set(plant_container_ids(tmp_path / "small.duckdb"))) == containers


def test_proportions_are_the_plants(
    made: tuple[Path, PlantSummary], plant: duckdb.DuckDBPyConnection
) -> None:
    rows = made[1].rows
    sessions = value(plant, f"SELECT count(DISTINCT ({SESSION})) FROM DW_MES_LOTWIPHISTORY WHERE {WHOLE}")
    assert rows["DW_MES_CONTAINER"] == CONTAINERS
    assert 10 <= sessions / CONTAINERS <= 11.2
    assert 1.2 <= rows["DW_MES_LOTWIPHISTORY"] / sessions <= 1.4
    assert 3.5 <= rows["DW_MES_LOTMATERIALSHISTORY"] / CONTAINERS <= 4.5
    assert 1.9 <= rows["DW_MES_LOTREJECTHISTORY"] / CONTAINERS <= 2.5
    assert 0.25 <= rows["DW_MES_HOLDRELEASEHISTORY"] / CONTAINERS <= 0.37
    assert rows["DW_MES_JOB"] == 210
    assert 220 <= rows["DW_MES_SPEC_WORKCENTER_V"] <= 240
    silent = value(
        plant,
        "SELECT count(*) FROM DW_MES_CONTAINER c ANTI JOIN DW_MES_LOTWIPHISTORY h USING (CONTAINERID)",
    )
    assert 0.02 <= silent / CONTAINERS <= 0.045


def test_containers_have_the_plants_ids_and_names(
    made: tuple[Path, PlantSummary], plant: duckdb.DuckDBPyConnection
) -> None:
    ids = plant_container_ids(made[0])
    assert ids == sorted(set(ids))
    assert len(ids) == CONTAINERS
    assert all(re.fullmatch(r"[0-9a-f]{16}", one) for one in ids)
    assert plant_container_ids(made[0], 5) == ids[:5]
    names = plant.sql("SELECT trim(CONTAINERNAME), OBJECTTYPE FROM DW_MES_CONTAINER").fetchall()
    assert len({name for name, _ in names}) == CONTAINERS
    lot = re.compile(r"(GA|GC|GD)25\d{6}-A\d{2}-\d{3}|GA26\d{6}-A\d{2}-\d{3}|GD26\d{6}-A\d{2}-\d{3}")
    assert all(lot.fullmatch(name) for name, kind in names if kind == "LOT")
    lots_of_an_order = (
        "SELECT count(*) FROM DW_MES_CONTAINER WHERE MFGORDERNAME LIKE 'GA%' GROUP BY MFGORDERNAME"
    )
    assert sorted(size for (size,) in plant.sql(lots_of_an_order).fetchall())[1] > 100


def test_a_sessions_partials_fall_and_add_up(plant: duckdb.DuckDBPyConnection) -> None:
    sessions = plant.sql(
        f"""SELECT list((TRACKINQTY, TRACKOUTQTY) ORDER BY TRACKINQTY DESC) FROM DW_MES_LOTWIPHISTORY
        WHERE {WHOLE} GROUP BY {SESSION}"""
    ).fetchall()
    lengths = {len(partials) for (partials,) in sessions}
    assert lengths == {1, 2, 3, 4}
    for (partials,) in sessions:
        for (left, out), (left_next, _) in pairwise(partials):
            assert out is None or left_next == left - out
            assert left_next < left
        left, out = partials[-1]
        assert out is None or 0 < out <= left


def test_lineage_of_every_kind_leads_to_real_containers(plant: duckdb.DuckDBPyConnection) -> None:
    known = "SELECT CONTAINERID FROM DW_MES_CONTAINER"
    for column in ("SPLITFROMID", "ORIGINALCONTAINERID"):
        assert value(plant, f"SELECT count(*) FROM DW_MES_CONTAINER WHERE {column} NOT IN ({known})") == 0
        assert value(plant, f"SELECT count({column}) FROM DW_MES_CONTAINER") > 50
    wafers = "SELECT trim(CONTAINERNAME) FROM DW_MES_CONTAINER WHERE OBJECTTYPE = 'WAFER'"
    assert value(plant, f"SELECT count(*) FROM DW_MES_CONTAINER WHERE FIRSTNAME NOT IN ({wafers})") == 0
    sizes = plant.sql(
        "SELECT count(*) FROM DW_MES_PJ_COMBINEDASSYLOTS GROUP BY FINISHEDNAME, LOTID"
    ).fetchall()
    assert {size for (size,) in sizes} == {2, 3, 4, 5}
    for column in ("CONTAINERID", "LOTID"):
        strangers = f"DW_MES_PJ_COMBINEDASSYLOTS WHERE {column} NOT IN ({known})"
        assert value(plant, f"SELECT count(*) FROM {strangers}") == 0
    cycle = "a.SPLITFROMID = b.CONTAINERID AND b.SPLITFROMID = a.CONTAINERID"
    assert value(plant, f"SELECT count(*) FROM DW_MES_CONTAINER a JOIN DW_MES_CONTAINER b ON {cycle}") == 2


def test_repair_orders_list_real_containers_that_ran_on_their_machine(
    plant: duckdb.DuckDBPyConnection,
) -> None:
    ran = set(plant.sql("SELECT DISTINCT EQUIPMENTID, CONTAINERID FROM DW_MES_LOTWIPHISTORY").fetchall())
    jobs = plant.sql("SELECT RESOURCEID, CONTAINERIDS, CONTAINERNAMES FROM DW_MES_JOB").fetchall()
    lists = [(machine, ids, names) for machine, ids, names in jobs if ids is not None]
    for machine, ids, names in lists:
        tokens = [token.strip() for token in ids.rstrip(",").split(",")]
        assert all((machine, token) in ran for token in tokens)
        assert len(tokens) == len(set(tokens))
        assert len(ids) <= 2000
        assert len(names) <= 2000
    assert 0 < len(jobs) - len(lists) < 40
    assert max(ids.count(",") for _, ids, _ in lists) > 50
    assert any(", " in ids for _, ids, _ in lists)
    assert any(ids.endswith(",") for _, ids, _ in lists)


def test_rejects_reasons_and_quantities_vary(plant: duckdb.DuckDBPyConnection) -> None:
    for column in ("REJECTQTY", "STANDBYQTY", "QTYTOPROCESS", "INPROCESSQTY", "PROCESSEDQTY", "DEFECTQTY"):
        nulls, some = plant.sql(
            f"SELECT count(*) - count({column}), count_if({column} > 0) FROM DW_MES_LOTREJECTHISTORY"
        ).fetchall()[0]
        assert nulls > 0, column
        assert some > 0, column
    assert value(plant, "SELECT count(DISTINCT trim(LOSSREASONNAME)) FROM DW_MES_LOTREJECTHISTORY") == 21
    assert value(plant, "SELECT count(*) FROM DW_MES_LOTREJECTHISTORY WHERE LOSSREASONNAME IS NULL") > 0


@pytest.mark.parametrize(
    "condition",
    [
        "DW_MES_LOTWIPHISTORY WHERE SPECNAME <> trim(SPECNAME)",
        "DW_MES_LOTWIPHISTORY WHERE TRACKOUTTIMESTAMP IS NULL AND TRACKOUTQTY IS NULL",
        "DW_MES_LOTWIPHISTORY WHERE EQUIPMENTID IS NULL",
        "DW_MES_LOTWIPHISTORY WHERE FINISHEDRUNCARD IS NOT NULL",
        "DW_MES_LOTWIPHISTORY WHERE WORKCENTERNAME LIKE '二光檢%'",
        "DW_MES_LOTMATERIALSHISTORY WHERE QTYCONSUMED <> round(QTYCONSUMED)",
        "DW_MES_LOTMATERIALSHISTORY WHERE QTYCONSUMED IS NULL",
        "DW_MES_LOTREJECTHISTORY WHERE contains(REJECTCOMMENT, chr(10))",
        "DW_MES_LOTREJECTHISTORY WHERE contains(REJECTCOMMENT, '\"') AND contains(REJECTCOMMENT, '\\')",
        "DW_MES_LOTREJECTHISTORY WHERE contains(REJECTCOMMENT, '𠮷')",
        "DW_MES_LOTREJECTHISTORY WHERE SPECNAME LIKE '舊製程%'",
        "DW_MES_HOLDRELEASEHISTORY WHERE RELEASETXNDATE IS NULL AND RELEASEEMP IS NULL",
        "DW_MES_HOLDRELEASEHISTORY WHERE RELEASETXNDATE > HOLDTXNDATE AND RELEASEEMP IS NOT NULL",
        "DW_MES_SPEC_WORKCENTER_V WHERE WORKCENTERSEQUENCE_GROUP = '10'",
        "DW_MES_SPEC_WORKCENTER_V WHERE WORK_CENTER_GROUP IS NULL",
        "DW_MES_CONTAINER WHERE CONTAINERNAME <> trim(CONTAINERNAME)",
        "DW_MES_WIP WHERE WORKFLOWNAME LIKE '%流程%'",
    ],
)
def test_the_quirks_of_the_warehouse_occur(plant: duckdb.DuckDBPyConnection, condition: str) -> None:
    assert value(plant, f"SELECT count(*) FROM {condition}") > 0


def test_history_materials_and_rejects_lie_in_the_order_of_container_ids(
    plant: duckdb.DuckDBPyConnection,
) -> None:
    for table in ("DW_MES_LOTWIPHISTORY", "DW_MES_LOTMATERIALSHISTORY", "DW_MES_LOTREJECTHISTORY"):
        ids = [one for (one,) in plant.sql(f"SELECT CONTAINERID FROM {table}").fetchall()]
        assert ids == sorted(ids)


def test_a_failure_leaves_the_former_plant_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "plant.duckdb"
    make_plant(out, containers=10, seed=1)
    with pytest.raises(RuntimeError, match="in the middle"), new_plant(out):
        raise RuntimeError("in the middle")
    assert len(plant_container_ids(out)) == 10
    assert list(tmp_path.iterdir()) == [out]


def test_what_is_no_plant_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("x")
    with pytest.raises(SettingsError, match="more than a plant's tables"):
        make_plant(tmp_path / "letters", containers=10, seed=1)
    (tmp_path / "odd.duckdb").mkdir()
    with pytest.raises(SettingsError, match="is a folder"):
        make_plant(tmp_path / "odd.duckdb", containers=10, seed=1)
    with pytest.raises(SettingsError, match="at least 1"):
        make_plant(tmp_path / "none.duckdb", containers=0, seed=1)
