"""Units that fail: tried again, halved, waited for; what is lost is exactly what cannot be fetched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

import tracesvc.unit
from tests.failing import FailingSource
from tests.support import Plant
from tests.unit.test_runner import Kept, plan_of
from tracesvc.catalogue import Catalogue, load_catalogue
from tracesvc.errors import SourceTimeout, SourceTooLarge, SourceUnavailable, TraceError
from tracesvc.fetch import EventFetcher, FetchLimits
from tracesvc.runner import run
from tracesvc.settings import load_settings
from tracesvc.slots import LocalSlots
from tracesvc.sources import Source, open_source
from tracesvc.sources.base import SourceError, ValueRefused
from tracesvc.unit import MOST_FAILURES_IN_A_ROW

Fails = Callable[[int, list[str]], TraceError | None]
CONTAINERS = 400


class Shaky(FailingSource):
    """Answers its first `silent` pings with an error."""

    silent = 0
    pings = 0

    async def ping(self) -> None:
        self.pings += 1
        if self.pings <= self.silent:
            raise SourceUnavailable("away")
        await super().ping()


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture
async def source(small_plant: Plant, catalogue: Catalogue) -> AsyncIterator[Source]:
    settings = load_settings(trace_source_url=f"duckdb://{Path(small_plant.path).resolve()}")
    found = open_source(settings, catalogue)
    yield found
    await found.close()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracesvc.unit, "RETRY_PAUSES_SECONDS", (0.001, 0.002))
    monkeypatch.setattr(tracesvc.unit, "PING_PAUSES_SECONDS", (0.001, 0.01))


async def traced(
    plant: Plant,
    source: FailingSource,
    catalogue: Catalogue,
    domains: tuple[str, ...] = ("history",),
    *,
    patience_seconds: float = 30,
) -> Kept:
    ids = list(plant.container_ids[:CONTAINERS])
    limits = FetchLimits(1000, 5000, 0, 0, "Asia/Taipei")
    fetcher = EventFetcher(source, catalogue, limits, LocalSlots(4), None)
    sink = Kept(domains, len(ids))
    async with asyncio.timeout(100):
        await run(plan_of(ids, domains, patience_seconds=patience_seconds), fetcher, sink)
    return sink


def coverage(sink: Kept) -> bytes:
    return b"".join(part for _, _, part in sink.committed)


@pytest.mark.parametrize(
    "error",
    [SourceUnavailable("shaky"), SourceTimeout("slow"), SourceTooLarge("no room"), ValueRefused("odd value")],
)
async def test_the_one_container_that_fails_is_the_only_one_lost(
    small_plant: Plant, source: Source, catalogue: Catalogue, error: TraceError
) -> None:
    poisoned = small_plant.container_ids[123]
    faulty = Shaky(source, lambda _number, ids: error if poisoned in ids else None)
    sink = await traced(small_plant, faulty, catalogue)
    found = coverage(sink)
    assert len(found) == CONTAINERS
    assert [at for at, byte in enumerate(found) if byte == ord("x")] == [123]
    tally = sink.tallies["history"]
    assert (tally.status, tally.failed) == ("partial", 1)
    assert tally.error is not None
    assert tally.error.code == error.code
    assert tally.units_total == tally.units_done == len(sink.committed)


async def test_a_unit_that_is_too_slow_as_a_whole_comes_in_parts(
    small_plant: Plant, source: Source, catalogue: Catalogue
) -> None:
    whole = await traced(small_plant, Shaky(source, lambda *_: None), catalogue)
    faulty = Shaky(source, lambda _number, ids: SourceTimeout("slow") if len(ids) > 20 else None)
    sink = await traced(small_plant, faulty, catalogue)
    assert sink.tallies["history"].status == "ok"
    assert coverage(sink) == coverage(whole)
    assert sink.tallies["history"].records == whole.tallies["history"].records


async def test_an_error_that_nothing_helps_costs_one_statement(
    small_plant: Plant, source: Source, catalogue: Catalogue
) -> None:
    faulty = Shaky(source, lambda *_: SourceError("no such table"))
    sink = await traced(small_plant, faulty, catalogue)
    assert sink.tallies["history"].status == "failed"
    assert faulty.statements == len(sink.committed)


async def test_a_source_that_comes_back_is_waited_for(
    small_plant: Plant, source: Source, catalogue: Catalogue
) -> None:
    faulty = Shaky(source, lambda *_: SourceUnavailable("away") if faulty.pings <= faulty.silent else None)
    faulty.silent = 5
    sink = await traced(small_plant, faulty, catalogue, ("history", "materials"))
    assert {tally.status for tally in sink.tallies.values()} == {"ok"}
    assert faulty.pings > faulty.silent


async def test_a_source_that_stays_away_ends_the_trace_soon(
    small_plant: Plant, source: Source, catalogue: Catalogue
) -> None:
    faulty = Shaky(source, lambda *_: SourceUnavailable("away"))
    faulty.silent = 10**9
    sink = await traced(small_plant, faulty, catalogue, ("history", "materials"), patience_seconds=0.05)
    assert faulty.statements < 20
    assert sorted(sink.ended) == ["history", "materials"]
    for tally in sink.tallies.values():
        assert (tally.status, tally.failed) == ("failed", CONTAINERS)
        assert tally.error is not None
        assert tally.error.code == "SOURCE_UNAVAILABLE"


async def test_a_source_that_fails_every_statement_is_not_asked_for_each_container(
    small_plant: Plant, source: Source, catalogue: Catalogue
) -> None:
    faulty = Shaky(source, lambda *_: SourceTimeout("slow"))
    sink = await traced(small_plant, faulty, catalogue)
    assert sink.tallies["history"].failed == CONTAINERS
    assert faulty.statements < 3 * MOST_FAILURES_IN_A_ROW
