"""EventFetcher: rows by container, declared types, and lines of the size that was set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from arro3.core import Array, DataType, RecordBatch

from tests.support import Plant
from tracesvc.catalogue import Catalogue, load_catalogue
from tracesvc.demo.tiny import L02, L03, TINY_CONTAINER_IDS
from tracesvc.fetch import EventFetcher, FetchLimits, conform, recut
from tracesvc.settings import load_settings
from tracesvc.slots import LocalSlots
from tracesvc.sources import open_source

AS_OF = datetime.fromisoformat("2026-02-01")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture
async def fetcher(tiny_plant: Plant, catalogue: Catalogue) -> AsyncIterator[EventFetcher]:
    source = open_source(
        load_settings(trace_source_url=f"duckdb://{Path(tiny_plant.path).resolve()}"), catalogue
    )
    limits = FetchLimits(3, 5000, 0, 0, "Asia/Taipei")
    yield EventFetcher(source, catalogue, limits, LocalSlots(2), None)
    await source.close()


async def test_rows_come_grouped_by_container_each_one_whole(fetcher: EventFetcher) -> None:
    groups = [g async for g in fetcher.fetch_events_iter(TINY_CONTAINER_IDS, "history", batch_size=2)]
    assert all(0 < len(group) <= 2 for group in groups)
    containers = [container for group in groups for container in group]
    assert len(containers) == len(set(containers))
    (records,) = [group[L02] for group in groups if L02 in group]
    assert [record["TRACKINQTY"] for record in records] == [43200, 100]
    assert records[0]["TRACKINTIMESTAMP"] == datetime.fromisoformat("2025-12-03T08:00:00")
    assert records[0]["PARTIAL_COUNT"] == 4
    assert isinstance(records[0]["TRACKOUTQTY"], int)


async def test_a_fraction_is_an_exact_decimal(fetcher: EventFetcher) -> None:
    groups = [g async for g in fetcher.fetch_events_iter(TINY_CONTAINER_IDS, "materials")]
    found = {record["QTYCONSUMED"] for group in groups for records in group.values() for record in records}
    assert Decimal("1.5") in found
    assert not any(isinstance(value, float) for value in found)


async def test_repair_orders_are_matched_by_whole_ids(fetcher: EventFetcher) -> None:
    groups = [g async for g in fetcher.fetch_events_iter([L02, L03, "4881038000000"], "jobs")]
    for group in groups:
        assert set(group) <= {L02, L03}
        for container, records in group.items():
            assert all(container in [i.strip() for i in r["CONTAINERIDS"].split(",")] for r in records)


async def test_lines_hold_as_many_records_as_are_set(fetcher: EventFetcher) -> None:
    lines = fetcher.lines("history", TINY_CONTAINER_IDS, as_of=AS_OF, asked=13, gate=asyncio.Semaphore(1))
    found = [rows async for rows in lines]
    assert {rows.count for rows in found[:-1]} == {3}
    assert [len(orjson.loads(rows.data)) for rows in found] == [rows.count for rows in found]
    named = {record["CONTAINERID"] for rows in found for record in orjson.loads(rows.data)}
    assert named == set().union(*(rows.containers for rows in found))


@pytest.mark.parametrize("sizes", [[], [0], [1], [5], [3, 3], [1, 1, 1, 1], [7, 0, 2], [12, 1]])
@pytest.mark.parametrize("size", [1, 3, 5])
async def test_batches_are_cut_again_in_order_to_one_size(sizes: list[int], size: int) -> None:
    async def batches() -> AsyncIterator[RecordBatch]:
        at = 0
        for count in sizes:
            yield RecordBatch.from_arrays(
                [Array(list(range(at, at + count)), type=DataType.int64())], names=["N"]
            )
            at += count

    found = [batch.column("N").to_pylist() async for batch in recut(batches(), size)]
    assert [value for part in found for value in part] == list(range(sum(sizes)))
    assert all(len(part) == size for part in found[:-1])
    assert all(found)


def test_a_batch_gets_the_declared_types_whatever_it_holds(catalogue: Catalogue) -> None:
    batch = RecordBatch.from_arrays(
        [
            Array([7], type=DataType.int64()),
            Array([None], type=DataType.int32()),
            Array(["12.50"], type=DataType.string()),
        ],
        names=["containerid", "TXNDATE", "QTYCONSUMED"],
    )
    found = conform(batch, catalogue.domains["materials"].columns)
    assert list(found.column_names) == [column.name for column in catalogue.domains["materials"].columns]
    assert found.column("CONTAINERID").to_pylist() == ["7"]
    assert found.column("QTYCONSUMED").to_pylist() == [Decimal("12.5")]
    assert DataType.is_timestamp(found.column("TXNDATE").type)
    assert found.column("SPECNAME").to_pylist() == [None]
