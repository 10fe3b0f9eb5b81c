"""TraceClient against the running service, near and behind a bad network: every record once, or an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any, Final

import httpx
import pytest

from tests.asking import ended, submit
from tests.grammar import check_stream
from tests.integration.conftest import LIMITS, SLOW
from tests.proxy import Proxy, running_proxy
from tests.streams import body_of
from tests.support import Plant, Stack
from tracesvc.client import (
    BlockingTraceClient,
    Patience,
    ServiceAway,
    TraceClient,
    TraceIncomplete,
    TraceProgress,
    TraceRefused,
)
from tracesvc.lines import CompleteLine, DomainEndLine, MetaLine, RecordsLine

DOMAINS: Final = ["history", "rejects", "holds"]
SOON: Final = Patience(attempts=4, first_seconds=0.01, longest_seconds=0.05)
Records = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], small_plant: Plant) -> Stack:
    return stacks(small_plant, workers=1, **LIMITS)


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[TraceClient]:
    async with TraceClient(stack.url, patience=SOON) as found:
        yield found


def asked(plant: Plant, count: int, **fields: Any) -> dict[str, Any]:
    return {
        "profile": "query_tool",
        "container_ids": plant.container_ids[:count],
        "domains": DOMAINS,
        **fields,
    }


async def source_of_truth(
    api: httpx.AsyncClient, plant: Plant, count: int
) -> dict[str, list[dict[str, Any]]]:
    """What an independent reader of the raw stream finds; open holds grow with the clock and are left out."""
    job_id = await submit(api, plant.container_ids[:count], domains=DOMAINS, fresh=False)
    await ended(api, job_id)
    seen = check_stream(await body_of(api, job_id))
    return {name: _plain(domain.records) for name, domain in seen.domains.items()}


def _plain(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            name: float(value) if isinstance(value, Decimal) else value
            for name, value in record.items()
            if name != "HOLD_HOURS"
        }
        for record in records
    ]


async def records_of(client: TraceClient, query: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in query["domains"]}
    async for line in client.trace(query):
        if isinstance(line, RecordsLine):
            found[line.domain] += _plain(line.data)
    return found


@pytest.mark.parametrize("count", [40, 300], ids=["at once", "as a job"])
async def test_an_answer_at_once_and_a_job_read_alike(
    client: TraceClient, api: httpx.AsyncClient, small_plant: Plant, count: int
) -> None:
    lines = [line async for line in client.trace(asked(small_plant, count))]
    assert isinstance(lines[0], MetaLine)
    assert (lines[0].job_id is None) == (count == 40)
    assert isinstance(lines[-1], CompleteLine)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in DOMAINS}
    for line in lines:
        if isinstance(line, RecordsLine):
            assert line.count == len(line.data)
            found[line.domain] += _plain(line.data)
    assert found == await source_of_truth(api, small_plant, count)
    assert lines[-1].total_records == sum(map(len, found.values()))


@pytest.mark.parametrize("count", [100, 600], ids=["at once", "as a job"])
async def test_behind_a_network_that_cuts_delays_and_refuses_every_record_comes_once(
    stack: Stack, api: httpx.AsyncClient, small_plant: Plant, count: int
) -> None:
    question = asked(small_plant, count, domains=["history", "rejects"])
    proxy = Proxy(stack.url, cut_bytes=15_000, bad_gateway_every=4, delay_seconds=0.001)
    patient = Patience(attempts=30, first_seconds=0.01, longest_seconds=0.05)
    async with running_proxy(proxy), TraceClient(proxy.url, patience=patient) as client:
        found = await records_of(client, question)
    assert proxy.cuts > 2
    assert proxy.refusals > 0
    truth = await source_of_truth(api, small_plant, count)
    assert found == {name: truth[name] for name in question["domains"]}


@pytest.mark.parametrize("count", [40, 300], ids=["at once", "as a job"])
async def test_without_its_last_line_a_trace_is_incomplete_and_says_so(
    stack: Stack, small_plant: Plant, count: int
) -> None:
    proxy = Proxy(stack.url, drop=b'{"type":"complete"')
    async with running_proxy(proxy), TraceClient(proxy.url, patience=SOON) as client:
        with pytest.raises(TraceIncomplete) as raised:
            async for _ in client.trace(asked(small_plant, count)):
                pass
    assert raised.value.missing == {"": "the last line, complete, did not come"}
    assert proxy.cuts >= SOON.attempts


async def test_what_never_comes_is_named(stack: Stack, small_plant: Plant) -> None:
    proxy = Proxy(stack.url, drop=b'{"type":"domain_start","domain":"rejects"')
    async with running_proxy(proxy), TraceClient(proxy.url, patience=SOON) as client:
        with pytest.raises(TraceIncomplete) as raised:
            await records_of(client, asked(small_plant, 300))
    assert set(raised.value.missing) == {"rejects", "holds", ""}
    assert raised.value.resume_after is not None
    assert raised.value.resume_after.startswith("history:")


async def test_a_lost_batch_is_never_passed_over(stack: Stack, small_plant: Plant) -> None:
    proxy = Proxy(stack.url, drop=b'{"type":"records","domain":"history","batch":3,')
    async with running_proxy(proxy), TraceClient(proxy.url, patience=SOON) as client:
        batches: list[int] = []

        async def read() -> None:
            async for line in client.trace(asked(small_plant, 300)):
                batches.extend([line.batch] if isinstance(line, RecordsLine) else [])

        with pytest.raises(TraceIncomplete):
            await read()
    assert batches == [0, 1, 2]


async def test_records_and_tables_are_the_streams(
    client: TraceClient, api: httpx.AsyncClient, small_plant: Plant
) -> None:
    truth = (await source_of_truth(api, small_plant, 300))["rejects"]
    trace = client.trace(asked(small_plant, 300))
    assert [_plain([record])[0] async for record in trace.records("rejects")] == truth
    table = await trace.to_arrow("rejects")
    assert list(table.column_names) == [*truth[0]]
    frame = await trace.to_polars("rejects")
    assert frame["REJECT_TOTAL_QTY"].to_list() == [record["REJECT_TOTAL_QTY"] for record in truth]
    assert [moment.isoformat() for moment in frame["TXNDATE"]] == [record["TXNDATE"] for record in truth]
    pandas = await trace.to_pandas("rejects")
    assert pandas["LOSSREASONNAME"].tolist() == [record["LOSSREASONNAME"] for record in truth]
    assert str(pandas["TXNDATE"].dtype) == "datetime64[us]"


async def test_a_domain_without_records_is_an_empty_table(client: TraceClient) -> None:
    query = {"profile": "query_tool", "container_ids": ["ffffffffffffffff"], "domains": ["holds"]}
    table = await client.trace(query).to_arrow("holds")
    assert (table.num_rows, "HOLD_HOURS" in table.column_names) == (0, True)


async def test_progress_is_told_to_its_end(client: TraceClient, small_plant: Plant) -> None:
    told: list[TraceProgress] = []
    async for _ in client.trace(asked(small_plant, 300), on_progress=told.append, fresh=True):
        pass
    assert told[-1].status == "finished"
    assert told[-1].records == sum(domain.records for domain in told[-1].domains.values())
    assert all(domain.ended for domain in told[-1].domains.values())
    assert [progress.records for progress in told] == sorted(progress.records for progress in told)
    assert told[-1].wire_bytes > 0


async def test_a_coroutine_may_be_told_too(client: TraceClient, small_plant: Plant) -> None:
    told = []

    async def note(progress: TraceProgress) -> None:
        await asyncio.sleep(0)
        told.append(progress.records)

    [_ async for _ in client.trace(asked(small_plant, 30), on_progress=note)]
    assert told


async def test_leaving_the_context_cancels_when_asked(
    stacks: Callable[..., Stack], small_plant: Plant
) -> None:
    slow = stacks(small_plant, workers=1, **LIMITS, **SLOW)
    async with TraceClient(slow.url, patience=SOON) as client:
        async with client.trace(asked(small_plant, 2000), cancel_on_exit=True, fresh=True) as trace:
            async for line in trace:
                if isinstance(line, RecordsLine):
                    break
        assert trace.job_id is not None
        with pytest.raises(TraceRefused) as raised:
            await client.status(trace.job_id)
        assert raised.value.answered == "JOB_NOT_FOUND"


async def test_a_job_can_be_followed_listed_and_cancelled(
    client: TraceClient, api: httpx.AsyncClient, small_plant: Plant
) -> None:
    job_id = await submit(api, small_plant.container_ids[:150], domains=DOMAINS)
    lines = [line async for line in client.follow(job_id)]
    assert [line.domain for line in lines if isinstance(line, DomainEndLine)] == DOMAINS
    assert job_id in [job["job_id"] for job in await client.jobs()]
    assert (await client.status(job_id))["status"] == "finished"
    assert (await client.coverage(job_id, domain="history"))["domains"]["history"]["asked"] == 150
    assert await client.cancel(job_id) == "finished"


async def test_a_cancelled_job_ends_the_trace_with_its_code(
    stacks: Callable[..., Stack], small_plant: Plant
) -> None:
    slow = stacks(small_plant, workers=1, **LIMITS, **SLOW)
    seen = asyncio.Event()

    async def read(client: TraceClient, job_id: str) -> None:
        async for line in client.follow(job_id):
            if isinstance(line, RecordsLine):
                seen.set()

    async with slow.client() as api, TraceClient(slow.url, patience=SOON) as client:
        job_id = await submit(api, small_plant.container_ids)
        reading = asyncio.create_task(read(client, job_id))
        await asyncio.wait_for(seen.wait(), 30)
        await api.delete(f"/api/trace/job/{job_id}")
        with pytest.raises(TraceIncomplete) as raised:
            await reading
    assert raised.value.answered == "JOB_CANCELLED"


async def test_what_is_refused_is_raised_with_its_code(client: TraceClient) -> None:
    with pytest.raises(TraceRefused) as raised:
        async for _ in client.trace({"profile": "query_tool", "container_ids": []}):
            pass
    assert raised.value.answered == "INVALID_PARAMS"
    assert "container" in raised.value.detail
    with pytest.raises(TraceRefused, match="no job trace-evt-unknown"):
        async for _ in client.follow("trace-evt-unknown"):
            pass


async def test_a_service_that_is_not_there_is_away() -> None:
    async with TraceClient("http://127.0.0.1:9", patience=SOON) as client:
        with pytest.raises(ServiceAway, match=r"127\.0\.0\.1:9"):
            async for _ in client.trace({"profile": "query_tool", "container_ids": ["a"]}):
                pass


def test_without_await_it_is_the_same(stack: Stack, small_plant: Plant) -> None:
    with BlockingTraceClient(stack.url, patience=SOON) as client:
        trace = client.trace(asked(small_plant, 300))
        lines = list(trace)
        assert isinstance(lines[-1], CompleteLine)
        counts = lines[-1].domains
        assert sum(1 for _ in trace.records("history")) == counts["history"]
        assert trace.to_arrow("holds").num_rows == trace.to_polars("holds").height == counts["holds"]
        for record in trace.records("history"):
            assert record["CONTAINERID"]
            break
        with pytest.raises(TraceRefused):
            list(client.trace({"profile": "nothing", "container_ids": ["a"]}))
