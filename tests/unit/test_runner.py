"""Units, their order, and what becomes of containers that cannot be fetched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.failing import FailingSource
from tests.support import Plant, wait_until
from tracesvc.catalogue import Catalogue, load_catalogue
from tracesvc.errors import SourceUnavailable, TraceError
from tracesvc.fetch import EventFetcher, FetchLimits
from tracesvc.lines import Fault
from tracesvc.results.tally import DomainTally
from tracesvc.runner import Plan, cut, run
from tracesvc.settings import load_settings
from tracesvc.slots import LocalSlots
from tracesvc.sources import Source, SourceError, open_source


class Kept:
    """A sink that keeps what is committed, in memory."""

    def __init__(self, domains: tuple[str, ...], asked: int) -> None:
        self.tallies = {domain: DomainTally(domain, asked) for domain in domains}
        self.committed: list[tuple[str, int, bytes]] = []
        self.ended: list[str] = []
        self._rows: dict[str, int] = dict.fromkeys(domains, 0)

    def resume(self, domain: str) -> int:
        return self.tallies[domain].ids_done

    async def begin(self, domain: str, units: int) -> None:
        self.tallies[domain].units_total = units

    async def add(self, domain: str, rows: bytes, count: int) -> None:
        assert rows.startswith(b"[{")
        self._rows[domain] += count

    async def drop(self, domain: str) -> None:
        self._rows[domain] = 0

    async def commit(self, domain: str, coverage: bytes, error: Fault | None = None) -> None:
        tally = self.tallies[domain]
        tally.count_unit(coverage)
        tally.error = error or tally.error
        self.committed.append((domain, self._rows[domain], coverage))
        self._rows[domain] = 0

    async def end(self, domain: str) -> None:
        self.ended.append(domain)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture
async def source(small_plant: Plant, catalogue: Catalogue) -> AsyncIterator[Source]:
    found = open_source(
        load_settings(trace_source_url=f"duckdb://{Path(small_plant.path).resolve()}"), catalogue
    )
    yield found
    await found.close()


def plan_of(
    ids: list[str], domains: tuple[str, ...], *, unit_cids: int = 100, patience_seconds: float = 0.05
) -> Plan:
    return Plan(
        container_ids=ids,
        domains=domains,
        as_of=datetime.fromisoformat("2026-02-01"),
        unit_cids=unit_cids,
        domains_at_once=2,
        units_at_once=2,
        patience_seconds=patience_seconds,
    )


async def traced(
    plant: Plant,
    source: Source,
    catalogue: Catalogue,
    fails: Callable[[int, list[str]], TraceError | None],
    domains: tuple[str, ...] = ("history", "materials"),
) -> Kept:
    ids = list(plant.container_ids[:400])
    limits = FetchLimits(1000, 5000, 0, 0, "Asia/Taipei")
    fetcher = EventFetcher(FailingSource(source, fails), catalogue, limits, LocalSlots(4), None)
    sink = Kept(domains, len(ids))
    await run(plan_of(ids, domains), fetcher, sink)
    return sink


def test_units_start_small_cover_all_ids_once_and_resume_anywhere() -> None:
    for count in (1, 31, 32, 33, 160, 161, 5000):
        for start in (0, 1, count // 2, count):
            units = cut(count, start, 1000)
            covered = [index for unit in units for index in range(unit.start, unit.stop)]
            assert covered == list(range(start, count))
            assert all(unit.stop - unit.start <= 1000 for unit in units)
    assert cut(5000, 0, 1000)[0] == slice(0, 32)
    assert cut(5000, 0, None) == [slice(0, 5000)]
    assert cut(5000, 5000, None) == []


async def test_every_container_is_accounted_for(
    small_plant: Plant, source: Source, catalogue: Catalogue
) -> None:
    sink = await traced(small_plant, source, catalogue, lambda _number, _ids: None)
    assert sorted(sink.ended) == ["history", "materials"]
    for tally in sink.tallies.values():
        counts = tally.counts()
        assert counts.asked == 400 == counts.with_records + counts.without_records
        assert tally.status == "ok"


async def test_a_passing_failure_is_tried_again_and_leaves_no_trace(
    small_plant: Plant, source: Source, catalogue: Catalogue
) -> None:
    whole = await traced(small_plant, source, catalogue, lambda _number, _ids: None)
    asked: set[tuple[str, ...]] = set()

    def first_time(_number: int, ids: list[str]) -> TraceError | None:
        """Each list of containers fails once, in the domain that asks for it first."""
        if tuple(ids) in asked:
            return None
        asked.add(tuple(ids))
        return SourceUnavailable("away for a moment")

    shaken = await traced(small_plant, source, catalogue, first_time)
    assert len(asked) == len(whole.committed) / 2
    assert sorted(shaken.committed) == sorted(whole.committed)
    assert all(tally.status == "ok" for tally in shaken.tallies.values())


async def test_what_fails_for_good_is_counted_and_the_domain_goes_on(
    small_plant: Plant, source: Source, catalogue: Catalogue
) -> None:
    poisoned = small_plant.container_ids[200]
    sink = await traced(
        small_plant,
        source,
        catalogue,
        lambda _number, ids: SourceError("refused") if poisoned in ids else None,
        domains=("history",),
    )
    tally = sink.tallies["history"]
    lost = tally.counts().failed
    assert 0 < lost <= 100
    assert tally.status == "partial"
    assert tally.error is not None
    assert tally.counts().asked == 400 == sum(len(coverage) for _, _, coverage in sink.committed)
    assert [coverage.count(b"x") for _, _, coverage in sink.committed if b"x" in coverage] == [lost]


async def test_a_dead_source_fails_every_domain(
    small_plant: Plant, source: Source, catalogue: Catalogue
) -> None:
    sink = await traced(small_plant, source, catalogue, lambda _number, _ids: SourceError("gone"))
    assert {tally.status for tally in sink.tallies.values()} == {"failed"}
    assert sorted(sink.ended) == ["history", "materials"]


async def test_after_a_worker_was_lost_a_unit_is_committed_before_another_begins(
    small_plant: Plant, source: Source, catalogue: Catalogue
) -> None:
    """A unit that kills workers then takes nothing of those before it along."""
    ids = list(small_plant.container_ids[:400])
    committed: list[int] = []

    def count(_number: int, _ids: list[str]) -> None:
        committed.append(len(sink.committed))

    limits = FetchLimits(1000, 5000, 0, 0, "Asia/Taipei")
    fetcher = EventFetcher(FailingSource(source, count), catalogue, limits, LocalSlots(4), None)
    sink = Kept(("history",), len(ids))
    await run(replace(plan_of(ids, ("history",)), careful=True), fetcher, sink)
    assert committed[:2] == [0, 1]


@pytest.mark.parametrize("slots", [1, 4])
async def test_a_unit_tried_again_is_not_blocked_by_large_ones_behind_it(
    small_plant: Plant, source: Source, catalogue: Catalogue, slots: int
) -> None:
    """The units behind have far more lines than may wait: they must not keep the permits that it needs."""
    ids = list(small_plant.container_ids[:400])
    failing = FailingSource(
        source, lambda number, _ids: SourceUnavailable("away for a moment") if number == 2 else None
    )
    limits = FetchLimits(10, 10, 0, 0, "Asia/Taipei")
    fetcher = EventFetcher(failing, catalogue, limits, LocalSlots(slots), None)
    sink = Kept(("history", "materials"), len(ids))
    plan = plan_of(ids, ("history", "materials"))
    async with asyncio.timeout(60):
        await run(plan, fetcher, sink)
    assert {tally.status for tally in sink.tallies.values()} == {"ok"}


def no_task_but(known: set[asyncio.Task[Any]]) -> Callable[[], bool]:
    return lambda: asyncio.all_tasks() <= known


async def test_a_cancelled_trace_lets_go_of_everything_soon(
    small_plant: Plant, source: Source, catalogue: Catalogue
) -> None:
    limits = FetchLimits(10, 10, 0, 0, "Asia/Taipei")
    slots = LocalSlots(2)
    fetcher = EventFetcher(source, catalogue, limits, slots, None)
    for pause in (0.0, 0.01, 0.05, 0.1, 0.2, 0.4):
        ids = list(small_plant.container_ids)
        sink = Kept(("jobs", "history"), len(ids))
        plan = plan_of(ids, ("jobs", "history"), unit_cids=1000)
        before = asyncio.all_tasks()
        work = asyncio.create_task(run(plan, fetcher, sink))
        await asyncio.wait({work}, timeout=pause)
        work.cancel()
        await asyncio.wait({work}, timeout=30)
        assert work.done()
        await wait_until(no_task_but(before | {work}), message="no task is left")
        assert not slots._permits.locked()
