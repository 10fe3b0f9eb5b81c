"""The detection query against plain Python: sessions, loads, rejects, workflows (domain.md, 5)."""

# ruff: noqa: DTZ001 - the plant's times have no zone

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from arro3.core import RecordBatch

from tests.plain import group_of
from tests.plants import statements_on, write_plant
from tests.support import Plant
from tracesvc.catalogue import Catalogue, load_catalogue
from tracesvc.demo.tiny import L01, L07, L12, T1
from tracesvc.detection import DetectionScope, read_detection
from tracesvc.statements import Statements

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEMORY_MIB = 64
EVER = (datetime(2000, 1, 1), datetime(2100, 1, 1))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tiny(tiny_plant: Plant, catalogue: Catalogue) -> AsyncIterator[Statements]:
    async with statements_on(tiny_plant.path, catalogue) as found:
        yield found


async def rows_of(batches: AsyncGenerator[RecordBatch]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async for batch in batches:
        columns = {name: batch.column(name).to_pylist() for name in batch.column_names}
        found += [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return found


async def test_the_lots_of_a_station_have_their_latest_session(tiny: Statements) -> None:
    async with read_detection(tiny, DetectionScope("測試", *EVER), MEMORY_MIB) as found:
        lots = await rows_of(found.lots())
        rejects = await rows_of(found.rejects())
        workflows = await rows_of(found.workflows())
        families = {row["EQUIPMENTID"]: row["RESOURCEFAMILYNAME"] for row in await rows_of(found.families())}
        seeds = orjson.loads(b"".join([piece async for piece in found.pieces()]))
        ids = await found.container_ids()
    assert ids == [L01, L07, L12]
    assert [row["CONTAINERID"] for row in lots] == ids
    assert lots[0] == {
        "CONTAINERID": L01,
        "CONTAINERNAME": "GA25120001-A00-001",
        "EQUIPMENTID": T1,
        "EQUIPMENTNAME": "T-01",
        "WORKCENTERNAME": "測試",
        "SPECNAME": "FT-測試",
        "TRACKINTIMESTAMP": datetime(2025, 12, 7, 23, 59, 59),
        "TRACKINQTY": 43180,
        "PJ_TYPE": "TVS",
        "PRODUCTLINENAME": "SMA",
    }
    of_07 = {row["LOSSREASONNAME"]: row["QTY"] for row in rejects if row["CONTAINERID"] == L07}
    assert of_07 == {
        "101_漏電": 1 + 2 + 4 + 8 + 16 + 32,
        "104_開路": 40,
        "105_短路": 10,
        "(未填寫)": 10,
        "901_其他": 10 + 7,
    }
    assert {row["CONTAINERID"]: row["WORKFLOWNAME"] for row in workflows} == {
        L01: "SMA_標準流程_V2",  # the later one
        L07: "TO-220_FLOW-A_V1",  # by a name that is blank-padded
        L12: "FT-測試",  # in no workflow: its spec
    }
    assert families[T1] == "T KS 8098"
    assert [seed["container_id"] for seed in seeds["seeds"]] == ids
    assert (seeds["seed_count"], seeds["not_found"]) == (len(ids), [])


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ((2025, 12, 7), (2025, 12, 8), [L01]),
        ((2025, 12, 8), (2026, 1, 5), []),
        ((2026, 1, 5), (2026, 1, 6), [L07]),
        ((2025, 12, 1), (2026, 2, 1), [L01, L07, L12]),
    ],
)
async def test_a_range_takes_sessions_and_rejects_that_begin_in_it(
    tiny: Statements, since: Sequence[int], until: Sequence[int], expected: list[str]
) -> None:
    scope = DetectionScope("測試", datetime(*since), datetime(*until))  # type: ignore[arg-type]
    async with read_detection(tiny, scope, MEMORY_MIB) as found:
        assert await found.container_ids() == expected
        assert {row["CONTAINERID"] for row in await rows_of(found.rejects())} == set(expected) - {L01}


async def test_containers_narrow_it_down(tiny: Statements) -> None:
    scope = DetectionScope("測試", *EVER)
    async with read_detection(tiny, scope, MEMORY_MIB, [L12, "nobody", L07]) as found:
        assert await found.container_ids() == [L07, L12]
        assert {row["CONTAINERID"] for row in await rows_of(found.rejects())} == {L07, L12}


def random_tables(chance: random.Random) -> dict[str, list[tuple[Any, ...]]]:
    """A few lots that run through a few stations in sessions of several partials."""
    begin = datetime(2026, 1, 1)
    ids = [f"{number:016x}" for number in range(40)]
    history, rejects, wip = [], [], []
    for number, ident in enumerate(ids):
        for _ in range(chance.randrange(6)):
            at = begin + timedelta(hours=chance.randrange(24 * 20))
            machine = chance.choice(["M1", "M2", None, "M3  "])
            station = chance.choice(["測試", "tmtt_高壓 ", "成型", "外觀檢查", None])
            spec = chance.choice(["S1", "S2", None])
            load = chance.choice([1000, 700, None])
            for partial in range(chance.choice([1, 1, 3])):
                left = None if load is None else load - partial * 100
                history.append((ident, machine, machine and f"N-{machine}", station, spec, at, left))
        for _ in range(chance.randrange(3)):
            at = begin + timedelta(hours=chance.randrange(24 * 20))
            station = chance.choice(["測試", "TMTT", "成型"])
            rejects.append((ident, station, chance.choice(["R1", " R2 ", None]), chance.randrange(9), at))
        for _ in range(chance.randrange(3)):
            at = begin + timedelta(hours=chance.randrange(99))
            wip.append((f"L{number:02d} ", chance.choice(["F1", "F2", None]), at))
    chance.shuffle(history)
    lots = [(ident, f"L{number:02d}") for number, ident in enumerate(ids)]
    return {"container": lots, "lotwiphistory": history, "lotrejecthistory": rejects, "wip": wip}


def lots_by_hand(
    tables: dict[str, list[tuple[Any, ...]]], since: datetime, until: datetime
) -> dict[str, Any]:
    """Container to (track-in, machine, spec, load) of its latest session at 測試."""
    sessions: dict[tuple[Any, ...], Any] = {}
    for ident, machine, _, station, spec, at, left in tables["lotwiphistory"]:
        if machine and group_of(station) == "測試" and since <= at < until:
            key = (ident, machine.strip(), spec, at)
            sessions[key] = max(sessions.get(key) or 0, left or 0)
    latest: dict[str, Any] = {}
    for (ident, machine, spec, at), load in sessions.items():
        # The later one; of two at the same time that of the first machine, then spec, nulls last.
        rank = (-at.timestamp(), machine, spec is None, spec or "")
        if ident not in latest or rank < latest[ident][0]:
            latest[ident] = (rank, (at, machine, spec, load))
    return {ident: told for ident, (_, told) in latest.items()}


@pytest.mark.parametrize("seed", range(5))
async def test_a_random_plant_gives_what_the_definitions_say(
    tmp_path: Path, catalogue: Catalogue, seed: int
) -> None:
    tables = random_tables(random.Random(seed))
    since, until = datetime(2026, 1, 3), datetime(2026, 1, 15)
    by_hand = lots_by_hand(tables, since, until)
    defects: dict[tuple[str, str], int] = {}
    for ident, station, reason, quantity, at in tables["lotrejecthistory"]:
        if group_of(station) == "測試" and since <= at < until and ident in by_hand:
            key = (ident, (reason or "(未填寫)").strip())
            defects[key] = defects.get(key, 0) + quantity
    scope = DetectionScope("測試", since, until)
    async with statements_on(write_plant(tmp_path / "p.duckdb", **tables), catalogue) as statements:
        for ids in (None, [row[0] for row in tables["container"]]):
            async with read_detection(statements, scope, MEMORY_MIB, ids) as found:
                lots = await rows_of(found.lots())
                rejects = await rows_of(found.rejects())
                workflows = await rows_of(found.workflows())
            assert {
                row["CONTAINERID"]: (
                    row["TRACKINTIMESTAMP"], row["EQUIPMENTID"], row["SPECNAME"], float(row["TRACKINQTY"]),
                )
                for row in lots
            } == by_hand  # fmt: skip
            assert [row["CONTAINERNAME"] for row in lots] == sorted(row["CONTAINERNAME"] for row in lots)
            assert {(row["CONTAINERID"], row["LOSSREASONNAME"]): row["QTY"] for row in rejects} == defects
            assert {row["CONTAINERID"] for row in workflows} == set(by_hand)
            for row in workflows:
                assert row["WORKFLOWNAME"] == workflow_by_hand(tables, by_hand, row["CONTAINERID"])


def workflow_by_hand(
    tables: dict[str, list[tuple[Any, ...]]], lots: dict[str, Any], ident: str
) -> str | None:
    name = dict(tables["container"])[ident]
    known = [(at, flow) for lot, flow, at in tables["wip"] if lot.strip() == name and flow]
    if not known:
        spec: str | None = lots[ident][2]
        return spec
    last = max(at for at, _ in known)
    return min(str(flow) for at, flow in known if at == last)
