"""Every domain is, line for line and byte for byte, what the embedded source gives on the same plant."""

# ruff: noqa: DTZ001 - the plant's times have no zone

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import pytest

from tests.chaos.size import pick
from tests.oracle_wire import OracleServer
from tests.streams import ALL_DOMAINS
from tests.support import Plant
from tracesvc.catalogue import Catalogue
from tracesvc.demo.tiny import TINY_CONTAINER_IDS
from tracesvc.fetch import EventFetcher, FetchLimits
from tracesvc.settings import load_settings
from tracesvc.slots import LocalSlots
from tracesvc.sources import Source, open_source
from tracesvc.sources.oracle.source import OracleSource

AS_OF: Final = datetime(2026, 1, 31, 12, 0, 0, 123456)
COUNT: Final = pick(1500, 10_000)
LINE_ROWS: Final = 5000


async def lines(
    source: Source, catalogue: Catalogue, domain: str, ids: Sequence[str], *, trip: int = 5000
) -> list[bytes]:
    limits = FetchLimits(LINE_ROWS, trip, 0, 0, "Asia/Taipei")
    fetcher = EventFetcher(source, catalogue, limits, LocalSlots(4), None)
    size = fetcher.unit_size(domain, 1000) or len(ids)
    found = []
    for start in range(0, len(ids), size):
        unit = fetcher.lines(
            domain, ids[start : start + size], as_of=AS_OF, asked=len(ids), gate=asyncio.Semaphore()
        )
        async with contextlib.aclosing(unit):
            found += [rows.data async for rows in unit]
    return found


async def embedded(plant: Plant, catalogue: Catalogue, domain: str, ids: Sequence[str]) -> list[bytes]:
    source = open_source(load_settings(trace_source_url=plant.url), catalogue)
    try:
        return await lines(source, catalogue, domain, ids)
    finally:
        await source.close()


@pytest.mark.parametrize("domain", ALL_DOMAINS)
async def test_a_domains_lines_are_those_of_the_embedded_source(
    database: dict[str, Any],
    opened: Callable[..., OracleSource],
    catalogue: Catalogue,
    plant: Plant,
    domain: str,
) -> None:
    ids = plant.container_ids[:COUNT]
    found = await lines(opened(database), catalogue, domain, ids)
    assert found == await embedded(plant, catalogue, domain, ids)
    assert found


@pytest.fixture(scope="module")
def tiny_lines(tiny_plant: Plant, catalogue: Catalogue) -> dict[str, list[bytes]]:
    async def read() -> dict[str, list[bytes]]:
        source = open_source(load_settings(trace_source_url=tiny_plant.url), catalogue)
        found = {domain: await lines(source, catalogue, domain, TINY_CONTAINER_IDS) for domain in ALL_DOMAINS}
        await source.close()
        return found

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("release", "reader"), [("19c", "arrow"), ("19c", "rows"), ("23ai", "arrow"), ("23ai-slow", "arrow")]
)
async def test_the_plant_with_every_oddity_reads_the_same_in_each_release_and_way(
    make_server: Callable[..., OracleServer],
    opened: Callable[..., OracleSource],
    catalogue: Catalogue,
    tiny_plant: Plant,
    tiny_lines: dict[str, list[bytes]],
    release: str,
    reader: str,
) -> None:
    source = opened(make_server(tiny_plant, release=release).settings, trace_db_reader=reader)
    for domain in ALL_DOMAINS:
        assert await lines(source, catalogue, domain, TINY_CONTAINER_IDS, trip=3) == tiny_lines[domain], (
            domain
        )


@pytest.mark.parametrize("count", [1, 999, 1000, 1001, pick(11_400, 114_000)])
async def test_the_statements_text_does_not_vary_with_the_number_of_ids(
    server: OracleServer, opened: Callable[..., OracleSource], catalogue: Catalogue, plant: Plant, count: int
) -> None:
    ids = [*plant.container_ids, *(f"FFFF{place:012X}" for place in range(count))][:count]
    assert len(set(ids)) == count
    found = await lines(opened(server.settings), catalogue, "holds", ids)
    assert found == await embedded(plant, catalogue, "holds", ids)
    texts = [text for text in server.report()["texts"] if "DW_MES_HOLDRELEASEHISTORY" in text]
    assert len(texts) == 1
    assert "--" not in texts[0]
    assert not any(one in texts[0] for one in ids[:10])


async def test_a_list_longer_than_a_block_is_asked_block_by_block(
    database: dict[str, Any], opened: Callable[..., OracleSource], plant: Plant
) -> None:
    sql = (
        "SELECT TRIM(k.CONTAINERID) AS ID FROM DWH.DW_MES_CONTAINER k"
        " WHERE k.CONTAINERID IN (:ids) ORDER BY 1"
    )
    ids = list(plant.container_ids[:1500])
    stream = opened(database).batches(sql, {"ids": ids}, batch_size=400)
    found = [one async for batch in stream for one in batch.column("ID").to_pylist()]
    assert found == sorted(ids)
    nothing = opened(database).batches(sql, {"ids": []}, batch_size=400)
    assert [batch async for batch in nothing] == []
