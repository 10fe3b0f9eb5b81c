"""Statements of stages that fail: tried again, halved, waited for; and their bounds."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from arro3.core import RecordBatch

import tracesvc.statements
from tests.failing import FailingSource
from tests.plants import statements_on, write_plant
from tracesvc.catalogue import Catalogue, load_catalogue
from tracesvc.errors import SourceTimeout, SourceUnavailable, TraceError
from tracesvc.scratch import Scratch
from tracesvc.sources import Source
from tracesvc.sources.base import SourceError
from tracesvc.statements import Statements, bounds, pattern_bounds

CONTAINERS = [f"{number:016x}" for number in range(1500)]
Fails = Callable[[int, list[str]], TraceError | None]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [(ident, f"GA-{number:04d}", "W") for number, ident in enumerate(CONTAINERS[:40])]
    return write_plant(tmp_path_factory.mktemp("p") / "plant.duckdb", container=rows)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracesvc.statements, "RETRY_PAUSES_SECONDS", (0.001, 0.002))


class Failing:
    """The plant's source, failing as told, and how many statements it was asked."""

    def __init__(self, fails: Fails) -> None:
        self._fails = fails
        self.source: FailingSource | None = None

    def wrap(self, source: Source) -> Source:
        self.source = FailingSource(source, self._fails)
        return self.source

    @property
    def asked(self) -> int:
        assert self.source is not None
        return self.source.statements


async def found_by(statements: Statements) -> list[str]:
    """What a statement in lists gives for all containers."""
    found: list[str] = []

    async def take(batch: RecordBatch) -> None:
        found.extend(batch.column("CONTAINERID").to_pylist())

    await statements.lists("lineage/containers", "container_ids", CONTAINERS, {}, take)
    return sorted(found)


@pytest.mark.parametrize("error", [SourceUnavailable(), SourceTimeout()])
async def test_what_fails_in_passing_is_tried_again_or_in_halves(
    plant: Path, catalogue: Catalogue, error: TraceError
) -> None:
    failing = Failing(lambda number, _ids: error if number <= 2 else None)
    async with statements_on(plant, catalogue, failing.wrap) as statements:
        assert await found_by(statements) == CONTAINERS[:40]
    assert 3 < failing.asked <= 6


async def test_only_smaller_lists_than_fail_are_asked_again(plant: Path, catalogue: Catalogue) -> None:
    failing = Failing(lambda _number, ids: SourceTimeout() if len(ids) > 300 else None)
    async with statements_on(plant, catalogue, failing.wrap) as statements:
        assert await found_by(statements) == CONTAINERS[:40]


async def test_what_no_remedy_helps_is_raised_as_it_is(plant: Path, catalogue: Catalogue) -> None:
    bad = CONTAINERS[7]
    failing = Failing(lambda _number, ids: SourceTimeout("too long") if bad in ids else None)
    async with statements_on(plant, catalogue, failing.wrap) as statements:
        with pytest.raises(SourceTimeout, match="too long"):
            await found_by(statements)
    refusing = Failing(lambda _number, _ids: SourceError("refused"))
    async with statements_on(plant, catalogue, refusing.wrap) as statements:
        with pytest.raises(SourceError, match="refused"):
            await statements.read("lineage/containers", {"container_ids": [bad]})
    assert refusing.asked == 1


async def test_a_source_that_comes_back_is_asked_again(plant: Path, catalogue: Catalogue) -> None:
    away, looks = [True], []

    async def look() -> Any:
        looks.append(1)
        away[0] = False
        return "back"

    failing = Failing(lambda _number, _ids: SourceUnavailable() if away[0] else None)
    async with statements_on(plant, catalogue, failing.wrap) as statements:
        patient = dataclasses.replace(statements, look=look)
        rows = await patient.read("lineage/containers", {"container_ids": CONTAINERS})
        assert sum(batch.num_rows for batch in rows) == 40
    assert len(looks) == 1


class _BreaksOff(FailingSource):
    """Gives some rows of its first statement, then fails."""

    async def batches(
        self, sql: str, params: Mapping[str, object], *, batch_size: int
    ) -> AsyncGenerator[RecordBatch, None]:
        first = self.statements == 0
        async for batch in super().batches(sql, params, batch_size=batch_size):
            yield batch.slice(0, 10) if first else batch
            if first:
                raise SourceUnavailable


async def test_a_whole_table_that_broke_off_is_not_there_twice(plant: Path, catalogue: Catalogue) -> None:
    async with (
        statements_on(plant, catalogue, lambda source: _BreaksOff(source, lambda *_: None)) as statements,
        Scratch(32) as scratch,
    ):
        await statements.whole("lineage/all_containers", {}, scratch, "arrived")
        assert await scratch.value("SELECT count(*) FROM arrived") == 40
        assert await scratch.value("SELECT count(DISTINCT CONTAINERID) FROM arrived") == 40


async def test_no_more_rows_are_read_than_wanted(plant: Path, catalogue: Catalogue) -> None:
    async with statements_on(plant, catalogue) as statements:
        small = dataclasses.replace(statements, round_trip_rows=5)
        rows = await small.read("lineage/containers", {"container_ids": CONTAINERS}, most=12)
    assert 12 < sum(batch.num_rows for batch in rows) <= 17


def test_bounds_hold_padded_names_and_all_that_begins_so() -> None:
    near = bounds(["GA2", "GA10"])
    assert all(near["low"] <= name <= near["high"] for name in ("GA10", "GA10   ", "GA2", "GA2  "))
    assert not near["low"] <= "GA3" <= near["high"]
    near = pattern_bounds(["GA2", "GB"])
    assert all(near["low"] <= name <= near["high"] for name in ("GA2", "GB\u9999𠮷"))
    assert not near["low"] <= "GC" <= near["high"]
    anything = pattern_bounds(["GA2", ""])
    assert all(anything["low"] <= name <= anything["high"] for name in ("!", "A", "ZZ", "𠮷田"))
