"""Each domain's statement gives what domain.md, 4, says: on a plant checked by hand, and on a factory."""

# ruff: noqa: DTZ001 - the plant's times have no zone

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from tests.plain import PlainPlant
from tracesvc.catalogue import Catalogue, load_catalogue
from tracesvc.demo.tiny import TINY_CONTAINER_IDS, make_tiny_plant
from tracesvc.settings import load_settings
from tracesvc.sources import Source, open_source

AS_OF: Final = datetime(2026, 1, 31, 12, 0)
HINGE: Final = Path(__file__).parents[4] / "shared" / "data" / "hinge"
STATEMENTS: Final = ("history", "materials", "rejects", "holds", "upstream_history", "downstream_rejects")

Row = dict[str, object]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module", params=["plant.duckdb", "plant"])
def tiny(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    path: Path = tmp_path_factory.mktemp("tiny") / request.param
    make_tiny_plant(path)
    return path


@pytest.fixture
async def source(tiny: Path, catalogue: Catalogue) -> AsyncIterator[Source]:
    opened = open_source(load_settings(trace_source_url=f"duckdb://{tiny}"), catalogue)
    yield opened
    await opened.close()


async def rows(source: Source, sql: str, ids: tuple[str, ...] = TINY_CONTAINER_IDS) -> list[Row]:
    params = {"container_ids": list(ids), "as_of": AS_OF}
    found: list[Row] = []
    async for names, batch in source.iter_rows(sql, params, 1000):
        found.extend(dict(zip(names, row, strict=True)) for row in batch)
    return found


def lot(number: int) -> str:
    return TINY_CONTAINER_IDS[number - 1]


async def test_partials_of_a_session_are_one_row(source: Source, catalogue: Catalogue) -> None:
    first, second = await rows(source, catalogue.domains["history"].sql, (lot(2),))
    assert first["PARTIAL_COUNT"] == 4
    assert (first["TRACKINQTY"], first["TRACKOUTQTY"]) == (43200, 2520 + 21240 + 15120 + 4300)
    assert first["TRACKOUTTIMESTAMP"] == datetime(2025, 12, 3, 14)
    assert first["FINISHEDRUNCARD"] == "F25120001-001"
    assert (second["PARTIAL_COUNT"], second["TRACKINTIMESTAMP"]) == (1, datetime(2025, 12, 3, 8, 0, 1))


async def test_an_open_partial_is_the_latest_and_the_end_is_that_of_the_others(
    source: Source, catalogue: Catalogue
) -> None:
    half, opened = await rows(source, catalogue.domains["history"].sql, (lot(3),))
    assert (half["PARTIAL_COUNT"], half["TRACKOUTTIMESTAMP"]) == (2, datetime(2025, 12, 4, 10))
    assert (half["FINISHEDRUNCARD"], half["TRACKOUTQTY"]) == ("F25120001-003", 6000)
    assert (opened["TRACKOUTTIMESTAMP"], opened["TRACKOUTQTY"]) == (None, None)


async def test_blanks_at_the_ends_separate_nothing(source: Source, catalogue: Catalogue) -> None:
    [session] = await rows(source, catalogue.domains["history"].sql, (lot(4),))
    assert (session["TRACKINQTY"], session["TRACKOUTQTY"], session["PARTIAL_COUNT"]) == (5000, 4990, 2)
    assert (session["WORKCENTERNAME"], session["FINISHEDRUNCARD"], session["PJ_BOP"]) == (
        "切彎腳",
        None,
        None,
    )
    assert (session["CONTAINERNAME"], session["WAFER_LOT_ID"]) == ("GA25120001-A00-004", "WFK-000001")


async def test_rows_without_equipment_or_track_in_are_no_sessions(
    source: Source, catalogue: Catalogue
) -> None:
    [session] = await rows(source, catalogue.domains["history"].sql, (lot(6),))
    assert session["TRACKINTIMESTAMP"] == datetime(2025, 12, 6, 10)
    assert await rows(source, catalogue.domains["history"].sql, (lot(9),)) == []


async def test_rejects_take_station_and_group_from_the_lowest_sequence_as_a_number(
    source: Source, catalogue: Catalogue
) -> None:
    sql = catalogue.domains["rejects"].sql
    [bent] = await rows(source, sql, (lot(4),))
    assert (bent["WORKCENTERNAME"], bent["WORKCENTER_GROUP"], bent["WORKCENTERSEQUENCE_GROUP"]) == (
        "切彎腳", "切彎腳", 9,
    )  # fmt: skip
    assert (bent["REJECT_QTY"], bent["STANDBY_QTY"], bent["REJECT_TOTAL_QTY"]) == (10, None, 10)
    [blank] = await rows(source, sql, (lot(6),))
    assert (blank["WORKCENTERNAME"], blank["WORKCENTER_GROUP"], blank["WORKCENTERSEQUENCE_GROUP"]) == (
        "(NA)", "(未知)", 999,
    )  # fmt: skip
    assert (blank["LOSSREASONNAME"], blank["EQUIPMENTNAME"], blank["REJECT_TOTAL_QTY"]) == (
        "(未填寫)",
        "(NA)",
        0,
    )
    by_time = {row["TXNDATE"]: row for row in await rows(source, sql, (lot(7),))}
    unknown, odd = by_time[datetime(2026, 1, 5, 8, 33)], by_time[datetime(2026, 1, 5, 8, 34)]
    assert (unknown["WORKCENTER_GROUP"], unknown["WORKCENTERSEQUENCE_GROUP"]) == ("tmtt_高壓", 999)
    assert (odd["WORKCENTER_GROUP"], odd["WORKCENTERSEQUENCE_GROUP"]) == ("外包電鍍", 999)
    assert (odd["TXN_TIME"], odd["TXN_DAY"]) == (odd["TXNDATE"], datetime(2026, 1, 5))


async def test_rejects_sum_five_quantities_downstream_six(source: Source, catalogue: Catalogue) -> None:
    five = await rows(source, catalogue.domains["rejects"].sql, (lot(7),))
    six = await rows(source, catalogue.domains["downstream_rejects"].sql, (lot(7),))
    assert sum(Decimal(str(row["REJECT_TOTAL_QTY"])) for row in five) == 31 + 40 + 10 + 10 + 10 + 10
    assert sum(Decimal(str(row["REJECT_TOTAL_QTY"])) for row in six) == 63 + 40 + 10 + 10 + 10 + 10 + 7
    assert {row["WORKCENTER_GROUP"] for row in six} == {"測試", None}


async def test_holds_count_hours_half_up_and_open_ones_to_the_given_time(
    source: Source, catalogue: Catalogue
) -> None:
    short, long, opened = await rows(source, catalogue.domains["holds"].sql, (lot(8),))
    assert [row["HOLD_HOURS"] for row in (short, long, opened)] == [Decimal("1.01"), 72, Decimal("492.00")]
    assert [row["HOLD_STATUS"] for row in (short, long, opened)] == ["RELEASED", "RELEASED", "HOLD"]
    [unknown] = await rows(source, catalogue.domains["holds"].sql, (lot(6),))
    assert (unknown["HOLD_STATUS"], unknown["HOLD_HOURS"]) == ("HOLD", None)


async def test_upstream_history_keeps_the_latest_track_in_at_a_machine(
    source: Source, catalogue: Catalogue
) -> None:
    sql = catalogue.domains["upstream_history"].sql
    [latest] = await rows(source, sql, (lot(8),))
    assert (latest["TRACKINQTY"], latest["WORKCENTER_GROUP"]) == (1990, "電鍍")
    [plain] = await rows(source, sql, (lot(6),))
    assert (plain["TRACKINQTY"], plain["WORKCENTER_GROUP"]) == (0, None)


async def test_jobs_are_scanned_whole_without_the_container(source: Source, catalogue: Catalogue) -> None:
    domain = catalogue.domains["jobs"]
    found = await rows(source, domain.sql)
    assert [column.name for column in domain.columns] == [*found[0], "CONTAINERID"]
    assert sorted(str(row["JOBID"])[-2:] for row in found) == ["A1", "A2", "A3", "A5"]


def canonical(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


async def compare(
    source: Source, catalogue: Catalogue, plain: PlainPlant, ids: tuple[str, ...], name: str
) -> int:
    found = await rows(source, catalogue.domains[name].sql, ids)
    wanted = list(plain.rows(name, AS_OF))
    assert [tuple(map(canonical, row.values())) for row in found] == wanted
    return len(found)


@pytest.fixture
def plain_tiny(tiny: Path) -> Iterator[PlainPlant]:
    plain = PlainPlant(tiny, TINY_CONTAINER_IDS)
    yield plain
    plain.close()


@pytest.mark.parametrize("name", STATEMENTS)
async def test_the_tiny_plant_is_as_plain_sql_says(
    source: Source, catalogue: Catalogue, plain_tiny: PlainPlant, name: str
) -> None:
    assert await compare(source, catalogue, plain_tiny, TINY_CONTAINER_IDS, name) > 0


@pytest.mark.skipif(
    not HINGE.is_dir(), reason="the hinge factory (../shared/data/hinge) is not on this machine"
)
async def test_the_hinge_factory_whole_is_as_plain_sql_says(catalogue: Catalogue) -> None:
    source = open_source(load_settings(trace_source_url=f"duckdb://{HINGE}"), catalogue)
    listed = await rows(source, "SELECT k.CONTAINERID AS ID FROM DWH.DW_MES_CONTAINER k ORDER BY 1")
    ids = tuple(str(row["ID"]) for row in listed)
    plain = PlainPlant(HINGE, ids)
    counts = {name: await compare(source, catalogue, plain, ids, name) for name in STATEMENTS}
    assert counts["materials"] == 47131
    assert (counts["rejects"], counts["holds"]) == (10, 0)
    assert await rows(source, catalogue.domains["jobs"].sql, ids) == []
    plain.close()
    await source.close()
