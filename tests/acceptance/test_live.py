"""What can be asked of a job while it runs: its worker is held in the middle (protocol.md, 2 and 3)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import psutil
import pytest
import pytest_asyncio

from tests.asking import status_of
from tests.grammar import StreamChecker
from tests.streams import ALL_DOMAINS, IDENTITY, ZSTD, held_job, path_of, result_of
from tests.support import Plant, Stack, wait_until
from tests.wire import inflate, raw_get, whole_lines

GONE = 40  # more streams than the API has connections to Redis


@pytest.fixture(scope="module")
def stack(slow_stack: Stack) -> Stack:
    return slow_stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def held(stack: Stack, medium_plant: Plant) -> AsyncIterator[str]:
    """A job that has committed some thousand records and does not go on."""
    async with held_job(stack, medium_plant.container_ids[:3000], domains=list(ALL_DOMAINS)) as job_id:
        yield job_id


async def committed(api: httpx.AsyncClient, job_id: str) -> int:
    return int((await status_of(api, job_id))["progress"]["records"])


async def read_until(url: str, records: int, headers: dict[str, str]) -> StreamChecker:
    """Follow a stream until so many records came, then leave."""
    async with asyncio.timeout(20), raw_get(url, headers=headers) as response:
        while True:
            await response.read_chunk()
            body = inflate(response.body) if headers == ZSTD else response.body
            seen = StreamChecker().feed_all(whole_lines(body))
            if sum(domain.count for domain in seen.domains.values()) >= records:
                return seen


@pytest.mark.parametrize("headers", [IDENTITY, ZSTD], ids=["identity", "zstd"])
async def test_each_committed_record_is_sent_while_the_job_stands(
    api: httpx.AsyncClient, stack: Stack, held: str, headers: dict[str, str]
) -> None:
    """Nothing waits in a buffer for what comes next."""
    waiting = await committed(api, held)
    for url in stack.urls:
        seen = await read_until(url + path_of(held), waiting, headers)
        assert seen.meta["live"] is True
        assert sum(domain.count for domain in seen.domains.values()) == waiting
        assert seen.last is None


async def test_the_stream_starts_at_once(stack: Stack, held: str) -> None:
    begin = time.monotonic()
    async with raw_get(stack.url + path_of(held), headers=IDENTITY) as response:
        first = await response.read_chunk()
    assert first.startswith(b'{"type":"meta"')
    assert time.monotonic() - begin < 1


async def test_progress_comes_at_least_every_five_seconds(stack: Stack, held: str) -> None:
    async with raw_get(stack.url + path_of(held), headers=IDENTITY) as response:
        moments: list[float] = []
        async with asyncio.timeout(20):
            while len(moments) < 2:
                chunk = await response.read_chunk()
                if b'{"type":"progress"' in chunk:
                    moments.append(time.monotonic())
    assert moments[1] - moments[0] < 6


@pytest.mark.parametrize("rest", ["stream?follow=false", "result"])
async def test_what_needs_the_end_is_refused_with_the_status(
    api: httpx.AsyncClient, held: str, rest: str
) -> None:
    answer = await api.get(path_of(held, rest))
    assert (answer.status_code, answer.json()["code"]) == (409, "JOB_NOT_COMPLETE")
    assert answer.json()["status"] in (409, "running")  # the problem's own status, or the job's


async def test_a_page_holds_what_is_committed_so_far(api: httpx.AsyncClient, stack: Stack, held: str) -> None:
    total = (await status_of(api, held))["progress"]["domains"]["history"]["records"]
    seen = (await read_until(stack.url + path_of(held), total, IDENTITY)).domains["history"]
    cuts = [cut + step for cut in seen.offsets[1:3] for step in (-1, 0, 1)]
    for offset in [0, 1, *cuts, total - 1]:
        for limit in (1, 500, 50_000):
            page = await result_of(api, held, domain="history", offset=offset, limit=limit)
            wanted = seen.records[offset : offset + limit]
            assert page["data"] == wanted
            assert (page["total"], page["complete"]) == (total, False)
            assert (page["count"], page["next_offset"]) == (len(wanted), offset + len(wanted))


@pytest.mark.parametrize("past", [0, 1, 1000])
async def test_a_page_past_what_is_committed_says_that_more_may_come(
    api: httpx.AsyncClient, held: str, past: int
) -> None:
    total = (await status_of(api, held))["progress"]["domains"]["history"]["records"]
    page = await result_of(api, held, domain="history", offset=total + past)
    assert (page["data"], page["count"], page["complete"]) == ([], 0, False)
    assert page["next_offset"] == total + past


async def test_a_page_of_a_domain_that_has_not_begun_is_empty(api: httpx.AsyncClient, held: str) -> None:
    page = await result_of(api, held, domain="downstream_rejects")
    assert (page["total"], page["count"], page["complete"], page["next_offset"]) == (0, 0, False, 0)


async def test_a_live_stream_goes_on_after_a_committed_batch_only(
    api: httpx.AsyncClient, stack: Stack, held: str
) -> None:
    waiting = await committed(api, held)
    seen = await read_until(stack.url + path_of(held), waiting, IDENTITY)
    last = seen.domains["history"].batches - 1
    answer = await api.get(path_of(held), params={"after": f"history:{last + 1}"})
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_PARAMS")
    async with raw_get(f"{stack.urls[1]}{path_of(held)}?after=history:0", headers=IDENTITY) as response:
        resumed = StreamChecker(resumes=seen)
        async with asyncio.timeout(20):
            while not resumed.domains or resumed.domains["history"].batches <= last:
                await response.read_chunk()
                resumed = StreamChecker(resumes=seen).feed_all(whole_lines(response.body))
    assert resumed.domains["history"].lines == seen.domains["history"].lines


def connections(stack: Stack) -> int:
    """Open connections of clients to the first API process."""
    found = psutil.Process(stack.apis[0].pid).net_connections("tcp")
    port = stack.ports[0]
    return sum(
        c.laddr.port == port and c.status in (psutil.CONN_ESTABLISHED, psutil.CONN_CLOSE_WAIT) for c in found
    )


async def test_clients_that_go_away_free_what_they_held_within_seconds(stack: Stack, held: str) -> None:
    async with stack.redis() as store:
        before = len(await store.client_list())
        url = stack.url + path_of(held)
        streams = [raw_get(url, headers=IDENTITY) for _ in range(GONE)]
        for response in await asyncio.gather(*(stream.__aenter__() for stream in streams)):
            assert (await response.read_chunk()).startswith(b'{"type":"meta"')
        await asyncio.gather(*(stream.__aexit__(None, None, None) for stream in streams))
        await wait_until(
            lambda: connections(stack) == 0, timeout=10, message="the API closes the connections"
        )

        async def redis_is_as_before() -> bool:
            return len(await store.client_list()) <= before + 16  # the pool may keep what it has

        await wait_until(redis_is_as_before, timeout=10, message="the API gives back what it took of Redis")
    async with stack.client() as api:
        begin = time.monotonic()
        assert (await status_of(api, held))["status"] == "running"
        assert time.monotonic() - begin < 2
