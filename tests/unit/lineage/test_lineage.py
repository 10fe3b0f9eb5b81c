"""Stage 2: edges, reach and what is told of them (domain.md, 6), by hand and against plain Python."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import tracesvc.lineage.walk
from tests.plants import statements_on, write_plant
from tests.support import Plant
from tracesvc.catalogue import Catalogue, load_catalogue
from tracesvc.demo.tiny import L01, L02, L03, L04, L06, L10, L11, L12, W13
from tracesvc.lineage.answer import lineage_of
from tracesvc.params import Direction
from tracesvc.statements import Statements

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEMORY_MIB = 64
PLANTS = 200 if os.environ.get("TRACE_SOAK") == "1" else 6
Answer = dict[str, Any]
Edge = tuple[str, str, str]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tiny(tiny_plant: Plant, catalogue: Catalogue) -> AsyncIterator[Statements]:
    async with statements_on(tiny_plant.path, catalogue) as found:
        yield found


async def answer_of(statements: Statements, ids: Iterable[str], direction: Direction) -> Answer:
    async with lineage_of(statements, list(ids), direction, MEMORY_MIB) as lineage:
        return await lineage.answer()


async def test_backward_gives_ancestors_through_splits_merges_wafers_and_rework(tiny: Statements) -> None:
    answer = await answer_of(tiny, [L12, L06], "backward")
    assert answer["ancestors"] == {L06: [], L12: [L01, L02, L10, L11, W13]}
    assert answer["parent_map"] == {
        L01: [L02, L10, L11, W13],
        L02: [W13],
        L10: [L02, W13],
        L11: [W13],
        L12: [L01, W13],
    }
    assert answer["merge_edges"] == {L01: [L02, L10]}
    assert answer["seed_roots"] == {L06: "GA25120001-A00-006", L12: "WFK-000001"}
    assert answer["roots"] == [L06, W13]
    assert (answer["total_nodes"], answer["depth"], answer["truncated"]) == (7, 2, False)
    assert {edge["edge_type"] for edge in answer["edges"] if edge["to_cid"] == L12} == {
        "gd_rework_source",
        "wafer_origin",
    }
    assert answer["nodes"][L12] == {
        "container_id": L12,
        "container_name": "GD26010001-A00-001",
        "mfgorder_name": "GD26010001",
        "wafer_lot": "WFK-000001",
        "node_type": "GD",
    }
    assert {L01: "GA", L11: "GC", W13: "WAFER"}.items() <= {
        node: value["node_type"] for node, value in answer["nodes"].items()
    }.items()
    assert answer["names"][L10] == "GA25120001-A01-002"


async def test_forward_gives_children_of_both_kinds(tiny: Statements) -> None:
    answer = await answer_of(tiny, [L02], "forward")
    assert answer["children_map"] == {L01: [L12], L02: [L01, L10], L10: [L01]}
    assert sorted(answer["nodes"]) == [L01, L02, L10, L12]
    assert (answer["roots"], answer["depth"]) == ([L02], 2)


async def test_two_lots_split_from_each_other_end(tiny: Statements) -> None:
    backward = await answer_of(tiny, [L03], "backward")
    assert backward["ancestors"] == {L03: [L04, W13]}
    forward = await answer_of(tiny, [L03], "forward")
    assert forward["children_map"] == {L03: [L04], L04: [L03]}
    assert (forward["roots"], forward["truncated"]) == ([], False)


async def test_what_the_plant_does_not_know_stands_for_itself(tiny: Statements) -> None:
    answer = await answer_of(tiny, ["nobody", L04], "backward")
    assert answer["ancestors"]["nobody"] == []
    assert answer["nodes"]["nobody"]["node_type"] == "UNKNOWN"
    assert answer["seed_roots"]["nobody"] == "nobody"
    assert "nobody" not in answer["names"]


async def test_leaves_have_the_serial_numbers_that_they_ended_in(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    plant = write_plant(
        tmp_path / "p.duckdb",
        container=[(name, f"GA-{name}") for name in "ABCDEF"],
        pj_combinedassylots=[
            ("A", "C", "F-1"), ("B", "C", "F-1"), ("C", "D", "F-2"), ("E", None, "F-9"), ("A", "A", "F-0"),
        ],
    )  # fmt: skip
    async with statements_on(plant, catalogue) as statements:
        answer = await answer_of(statements, ["A", "E", "F"], "forward")
        finished = await answer_of(statements, ["D"], "forward")
    assert answer["leaf_serials"] == {"D": ["F-2"], "E": ["F-9"]}
    assert answer["children_map"] == {"A": ["C"], "C": ["D"]}
    assert finished["leaf_serials"] == {"D": ["F-2"]}


@pytest.mark.parametrize(("links", "depth", "truncated"), [(20, 20, False), (21, 20, True)])
async def test_the_depth_limit_cuts_and_says_so(
    tmp_path: Path, catalogue: Catalogue, links: int, depth: int, *, truncated: bool
) -> None:
    rows = [(f"C{n:03d}", f"N{n:03d}", None, None, "LOT", None, f"C{n + 1:03d}") for n in range(links)]
    plant = write_plant(tmp_path / "p.duckdb", container=[*rows, (f"C{links:03d}", "last")])
    async with statements_on(plant, catalogue) as statements:
        backward = await answer_of(statements, ["C000"], "backward")
        forward = await answer_of(statements, [f"C{links:03d}"], "forward")
        both = await answer_of(statements, ["C000", "C010"], "backward")
    for answer in (backward, forward):
        assert (answer["depth"], answer["truncated"]) == (depth, truncated)
        assert answer["total_nodes"] == depth + 1
        assert len(answer["edges"]) == depth
    assert backward["seed_roots"] == {"C000": "N000" if truncated else "last"}
    # The other seed does not carry the first one further.
    assert both["ancestors"]["C000"] == backward["ancestors"]["C000"]
    assert both["truncated"] == truncated


# Against plain Python


@dataclass
class Reference:
    """The definitions of domain.md, 6, over lists."""

    containers: list[tuple[str, str | None, str | None, str | None, str | None, str | None, str | None]]
    merges: list[tuple[str, str | None, str]]
    edges: set[Edge] = field(default_factory=set)

    def __post_init__(self) -> None:
        for ident, name, first, order, _, original, split in self.containers:
            rework = any((text or "").startswith("GD") for text in (name, order))
            source = original or split
            if rework and source:
                self._add(source, ident, "gd_rework_source")
            if split and not (rework and source == split):
                self._add(split, ident, "split_from")
            for other, other_name, *_ in self.containers:
                if first and other_name == first:
                    self._add(other, ident, "wafer_origin")
        for source, finished, _ in self.merges:
            if finished:
                self._add(source, finished, "merge_source")

    def _add(self, origin: str, target: str, kind: str) -> None:
        if origin != target:
            self.edges.add((origin, target, kind))

    def neighbours(self, direction: Direction) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = {}
        for origin, target, _ in self.edges:
            near, far = (target, origin) if direction == "backward" else (origin, target)
            found.setdefault(near, set()).add(far)
        return found

    def reach(self, seed: str, direction: Direction) -> tuple[set[str], bool]:
        """What a seed reaches within 20 levels, itself included, and whether there is more."""
        near = self.neighbours(direction)
        known, level = {seed}, {seed}
        for _ in range(20):
            level = {far for one in level for far in near.get(one, ())} - known
            known |= level
        return known, bool({far for one in level for far in near.get(one, ())} - known)

    def root(self, seed: str) -> str:
        names = {ident: name for ident, name, *_ in self.containers}
        parents = self.neighbours("backward")
        origins = [one for one in self.reach(seed, "backward")[0] - {seed} if not parents.get(one)]
        return min((names.get(one) or one for one in origins), default=names.get(seed) or seed)


def random_plant(chance: random.Random) -> Reference:
    """Fifty lots that come from each other in every way, and from lots that are not there."""
    ids = [f"{number:016x}" for number in range(50)]
    strangers = ["dangling", None, None]
    names: list[str | None] = [
        chance.choice([f"GA-{n:02d}", f"GD-{n:02d}", f"GC-{n:02d}", f"W-{n:02d}", None]) for n in range(50)
    ]
    wafers = [name for name in names if name and name.startswith("W")] + ["no such wafer"]

    def some(share: float) -> str | None:
        return chance.choice([*ids, *strangers]) if chance.random() < share else None

    containers = [
        (
            ident,
            names[number],
            chance.choice([*wafers, None, names[number]]) if chance.random() < 0.5 else None,
            chance.choice(["GA1", "GD1", "GC1", None]),
            chance.choice(["LOT", "LOT", "WAFER", None]),
            some(0.2),
            some(0.5),
        )
        for number, ident in enumerate(ids)
    ]
    merges = [
        (chance.choice(ids), chance.choice([*ids, None]), f"F-{chance.randrange(9)}") for _ in range(20)
    ]
    return Reference(containers, merges)


@pytest.mark.parametrize(("seed", "scans"), [(seed, 99 * (seed % 2)) for seed in range(PLANTS)])
async def test_a_random_plant_gives_what_the_definitions_say(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, seed: int, scans: int
) -> None:
    """By many small scans or by reading tables whole; both directions mirror each other."""
    monkeypatch.setattr(tracesvc.lineage.walk, "SCANS_AT_MOST", scans)
    plant = random_plant(random.Random(seed))
    file = write_plant(tmp_path / "p.duckdb", container=plant.containers, pj_combinedassylots=plant.merges)
    seeds = [row[0] for row in plant.containers]
    some = random.Random(seed).sample(seeds, 12)
    async with statements_on(file, catalogue) as statements:
        backward = await answer_of(statements, seeds, "backward")
        forward = await answer_of(statements, [*seeds, "dangling"], "forward")
        part = await answer_of(statements, some, "backward")
        below = await answer_of(statements, some, "forward")
    for one in seeds:
        assert {one, *backward["ancestors"][one]} == plant.reach(one, "backward")[0]
    assert backward["truncated"] == any(plant.reach(one, "backward")[1] for one in seeds)
    assert backward["seed_roots"] == {one: plant.root(one) for one in seeds}
    assert edges_of(backward) == edges_of(forward) == plant.edges
    assert {(a, b) for a, bs in forward["children_map"].items() for b in bs} == {
        (a, b) for b, as_ in backward["parent_map"].items() for a in as_
    }
    assert part["ancestors"] == {one: backward["ancestors"][one] for one in sorted(some)}
    reached = set().union(*(plant.reach(one, "forward")[0] for one in some))
    assert set(below["nodes"]) == reached
    assert edges_of(below) == {edge for edge in plant.edges if {*edge[:2]} <= reached}
    _ancestors_of_ancestors_are_ancestors(backward["ancestors"])


def edges_of(answer: Answer) -> set[Edge]:
    return {(edge["from_cid"], edge["to_cid"], edge["edge_type"]) for edge in answer["edges"]}


def _ancestors_of_ancestors_are_ancestors(ancestors: dict[str, list[str]]) -> None:
    for seed, above in ancestors.items():
        for one in above:
            assert set(ancestors.get(one, ())) <= {seed, *above}


async def test_members_roots_and_ids_say_the_same_as_the_answer(
    small_plant: Plant, catalogue: Catalogue
) -> None:
    seeds = list(small_plant.container_ids[::3])
    async with (
        statements_on(small_plant.path, catalogue) as statements,
        lineage_of(statements, seeds, "backward", MEMORY_MIB) as lineage,
    ):
        answer = await lineage.answer()
        pairs = [
            pair
            async for batch in lineage.members()
            for pair in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        ]
        roots = [
            pair
            async for batch in lineage.roots()
            for pair in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        ]
        ids = await lineage.container_ids()
    assert sorted(answer["ancestors"]) == sorted(seeds)
    expected = {(seed, one) for seed, above in answer["ancestors"].items() for one in [seed, *above]}
    assert len(pairs) == len(expected)
    assert set(pairs) == expected
    assert dict(roots) == answer["seed_roots"]
    assert ids == sorted(answer["nodes"])
