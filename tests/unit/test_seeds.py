"""Stage 1: each way to name containers, on the plant that is checked by hand (domain.md, 5)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

import tracesvc.seeds
from tests.plants import statements_on, write_plant
from tests.support import Plant
from tracesvc.catalogue import Catalogue, load_catalogue
from tracesvc.demo.tiny import L01, L02, L04, L07, L10, L11, L12, W13
from tracesvc.errors import InvalidParams
from tracesvc.params import ResolveType, Seeds
from tracesvc.seeds import SeedAnswer, resolve_seeds
from tracesvc.statements import Statements

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER_1 = [L01, L02, *(f"4881038000000{n:03d}" for n in (3, 4, 5)), L10]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def statements(tiny_plant: Plant, catalogue: Catalogue) -> AsyncIterator[Statements]:
    async with statements_on(tiny_plant.path, catalogue) as found:
        yield found


async def resolve(statements: Statements, kind: ResolveType, *values: str) -> SeedAnswer:
    return await resolve_seeds(statements, Seeds(resolve_type=kind, values=list(values)))


@pytest.mark.parametrize(
    ("kind", "values", "expected", "not_found"),
    [
        ("lot_id", ["GA25120001-A00-001", "GA25129999-A00-001"], [L01], ["GA25129999-A00-001"]),
        ("lot_id", ["GA25120001-A00-004"], [L04], []),  # blank-padded in the plant, on both sides
        ("lot_id", ["  GA25120001-A00-004 "], [L04], []),
        ("lot_id", ["ga25120001-a00-001"], [L01], []),
        ("lot_id", ["WFK-000001"], [W13], []),
        ("lot_id", [L01], [], [L01]),  # an id is no name
        ("wafer_lot", ["GC25110001-A00-001"], [], ["GC25110001-A00-001"]),
        ("work_order", ["GA25120001"], ORDER_1, []),
        ("work_order", ["GC25110001"], [L11], []),
        ("work_order", ["GA25120001-A00-001"], [], ["GA25120001-A00-001"]),
        ("gd_work_order", ["GD26010001", "GA25120001"], [L12], ["GA25120001"]),
        ("gd_lot_id", ["GD26010001-A00-001", "GA25120001-A00-001"], [L12], ["GA25120001-A00-001"]),
        ("serial_number", ["F25120001-001"], [L01, L02, L10], []),
        ("serial_number", ["GA25120002-A00-001"], [L07], []),
        ("serial_number", ["nothing"], [], ["nothing"]),
    ],
)
async def test_each_kind_of_name_finds_its_containers(
    statements: Statements, kind: ResolveType, values: list[str], expected: list[str], not_found: list[str]
) -> None:
    answer = await resolve(statements, kind, *values)
    assert sorted(answer.container_ids) == sorted(expected)
    assert answer.not_found == not_found
    assert answer.to_dict()["seed_count"] == len(expected)


async def test_a_wafer_lot_stands_for_its_lots_but_not_for_the_wafer(statements: Statements) -> None:
    answer = await resolve(statements, "wafer_lot", "WFK-000001")
    assert W13 not in answer.container_ids
    assert {L01, L04, L11, L12} <= set(answer.container_ids)
    assert answer.expansion == {"WFK-000001": 11}


async def test_seeds_come_by_name_with_their_lot_ids(statements: Statements) -> None:
    answer = await resolve(statements, "work_order", "GA25120001")
    names = [str(seed.container_name) for seed in answer.seeds]
    assert names == sorted(names)
    assert answer.to_dict()["seeds"][0] == {
        "container_id": L01,
        "container_name": "GA25120001-A00-001",
        "lot_id": "GA25120001-A00-001",
    }


async def test_a_serial_number_says_where_it_was_found_and_looks_no_further(statements: Statements) -> None:
    answer = await resolve(statements, "serial_number", "F25120001-001", "GA25120002-A00-001", "WFK-000001")
    sources = {seed.container_id: seed.match_source for seed in answer.seeds}
    assert sources == {
        L01: "finished_name",  # the finished lot itself
        L02: "finished_name",
        L10: "finished_name",
        L07: "container_name",
        W13: "container_name",  # not the lots that name it as their wafer lot
    }


async def test_a_first_name_is_the_last_place_to_look(tmp_path: Path, catalogue: Catalogue) -> None:
    lots = [("A", "GA1-001", "WAFER-9", None, "LOT"), ("B", "GA1-002", "WAFER-9", None, "LOT")]
    async with statements_on(write_plant(tmp_path / "p.duckdb", container=lots), catalogue) as statements:
        answer = await resolve(statements, "serial_number", "WAFER-9")
    assert [(seed.container_id, seed.match_source) for seed in answer.seeds] == [
        ("A", "first_name"),
        ("B", "first_name"),
    ]


@pytest.mark.parametrize(
    ("kind", "pattern", "expected"),
    [
        ("lot_id", "GA25120001-A00-*", 6),
        ("lot_id", "GA25120001-A00-%", 6),
        ("lot_id", "*-A00-001", 4),
        ("lot_id", "ga2512*-001", 2),
        ("lot_id", "GA*01*A01*", 1),
        ("work_order", "G*0001", 7),  # of GA and GC orders, not of GD25…
        ("gd_work_order", "*0001", 1),
        ("wafer_lot", "WFK*", 11),
        ("serial_number", "F25*", 3),
        ("lot_id", "GA_5120001-A00-*", 0),  # an underscore is an underscore
        ("lot_id", "GA25120001.A00.*", 0),
    ],
)
async def test_wildcards_stand_for_any_run_of_characters(
    statements: Statements, kind: ResolveType, pattern: str, expected: int
) -> None:
    answer = await resolve(statements, kind, pattern)
    assert len(answer.seeds) == expected
    assert answer.expansion == ({pattern: expected} if expected else {})
    assert answer.not_found == ([] if expected else [pattern])


async def test_values_that_share_containers_are_counted_each_and_answered_once(
    statements: Statements,
) -> None:
    answer = await resolve(statements, "lot_id", "GA25120001-A00-001", "*A00-001", "GA2512*", "nope*")
    assert answer.expansion == {"GA25120001-A00-001": 1, "*A00-001": 4, "GA2512*": 10}
    assert answer.not_found == ["nope*"]
    assert len(set(answer.container_ids)) == len(answer.container_ids) == 12


@pytest.mark.parametrize(
    "value",
    ["' OR 1=1 --", '"; DROP TABLE x', "GA%' --*", "!%_*!!", "𠮷田*二極", "a" * 64, "\\*\\%x", ":low:high"],
)
async def test_hostile_values_find_nothing_and_change_nothing(statements: Statements, value: str) -> None:
    answer = await resolve(statements, "lot_id", value)
    assert (answer.seeds, answer.not_found) == ([], [value])


async def test_many_values_go_in_blocks(statements: Statements) -> None:
    values = [f"GX{number:08d}" for number in range(2500)] + ["GA25120001-A00-002"]
    patterns = [f"GX{number:03d}*" for number in range(49)] + ["GC2511*"]
    answer = await resolve(statements, "lot_id", *values, *patterns)
    assert sorted(answer.container_ids) == [L02, L11]
    assert len(answer.not_found) == 2500 + 49


async def test_a_value_that_stands_for_too_many_is_refused(
    statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracesvc.seeds, "MOST_OF_VALUE", 6)
    assert len((await resolve(statements, "work_order", "GA25120001")).seeds) == 6
    with pytest.raises(InvalidParams, match="'GA\\*' stands for more than 6 containers"):
        await resolve(statements, "work_order", "GA*")


@pytest.mark.parametrize("values", [("GA25120001", "GC25110001"), ("GA25120001", "GC*")])
async def test_values_that_stand_for_too_many_together_are_refused(
    statements: Statements, monkeypatch: pytest.MonkeyPatch, values: Sequence[str]
) -> None:
    monkeypatch.setattr(tracesvc.seeds, "MOST_SEEDS", 7)
    assert len((await resolve(statements, "work_order", *values)).seeds) == 7
    monkeypatch.setattr(tracesvc.seeds, "MOST_SEEDS", 6)
    with pytest.raises(InvalidParams, match="more than 6 containers"):
        await resolve(statements, "work_order", *values)


async def test_what_is_read_of_a_wide_pattern_is_bounded(
    statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when few of the rows count: a rework order is no work order."""
    monkeypatch.setattr(tracesvc.seeds, "_MOST_ROWS", 2)
    monkeypatch.setattr(tracesvc.seeds, "MOST_SEEDS", 1)
    with pytest.raises(InvalidParams, match="stand for more than"):
        await resolve(statements, "gd_work_order", "*00*")
