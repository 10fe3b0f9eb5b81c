"""API processes that die, many clients at once, and clients that leave."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import httpx
import psutil
import pytest

from tests.asking import ended, status_of, submit
from tests.chaos.acting import reached, ready
from tests.chaos.faults import Faults
from tests.chaos.following import Follower
from tests.chaos.size import pick, schedule
from tests.plain import PlainPlant
from tests.streams import IDENTITY, begun, path_of
from tests.support import Plant, Stack, wait_until
from tests.wire import RawResponse, raw_get

DOMAINS = ["history", "rejects"]
STREAMS = pick(10, 50)
WATCHERS = pick(100, 1000)
FEW = 10
IDS = pick(120, 200)
FREE_SECONDS = pick(15.0, 2.0)  # the short form runs on machines that do much else
POOL = 16  # TRACE_REDIS_MAX_CONNECTIONS as it comes
STUCK_SECONDS = 3600.0


@pytest.fixture(scope="module")
def stack(chaotic: Callable[..., Stack], plant: Plant) -> Stack:
    return chaotic(plant, apis=2, workers=1)


async def test_clients_of_a_killed_api_process_go_on_at_another_by_cursor(
    stack: Stack, plant: Plant, faults: Faults, tell: Callable[[str], None]
) -> None:
    faults.set(pause_seconds=pick(1, 3))
    ids = plant.container_ids[: 3 * IDS]
    plain = PlainPlant(plant.path, tuple(ids))
    wanted = {name: plain.count(name) for name in DOMAINS}
    plain.close()
    first, other = stack.apis[0], stack.urls[1]
    chance = schedule("api")
    # Fifty readers keep this process busy for longer than the server keeps an idle connection.
    alone = {"Connection": "close"}
    async with stack.client(api=1, headers=alone) as api, asyncio.TaskGroup() as group:
        job_id = await submit(api, ids, domains=DOMAINS)
        clients = [Follower(job_id, [stack.urls[0], other]) for _ in range(STREAMS)]
        reading = [group.create_task(client.follow()) for client in clients]
        await reached(api, job_id, chance.uniform(5, 40))
        faults.set(pause_seconds=STUCK_SECONDS)  # nobody comes to the end before all are in the middle
        await wait_until(lambda: all(client.received for client in clients), message="each has records")
        first.kill()
        faults.set()
        done = [await task for task in reading]
    first.restart()
    for seen in done:
        assert {name: seen.domains[name].count for name in DOMAINS} == wanted
    assert [len(client.cuts) for client in clients] == [1] * STREAMS
    assert [client.received for client in clients] == [sum(wanted.values())] * STREAMS
    tell(
        f"an API process killed under {STREAMS} streams; each client had {sum(wanted.values())} records once"
    )
    await ready(stack)


@contextlib.asynccontextmanager
async def standing_job(stack: Stack, faults: Faults, plant: Plant) -> AsyncIterator[str]:
    """A job that has records and then waits for its source."""
    faults.set(pause_seconds=0.1)
    async with stack.client() as api:
        job_id = await submit(api, plant.container_ids)
        await begun(api, job_id)
        faults.set(pause_seconds=STUCK_SECONDS)
        yield job_id
        answer = await api.delete(f"/api/trace/job/{job_id}")
        assert answer.status_code in (httpx.codes.OK, httpx.codes.ACCEPTED), answer.text
    faults.set()


def redis_connections(stack: Stack) -> int:
    """Connections of the first API process to Redis."""
    port = int(stack.redis_url.rsplit(":", 1)[1].split("/")[0])
    found = psutil.Process(stack.apis[0].pid).net_connections("tcp")
    return sum(c.status == psutil.CONN_ESTABLISHED and c.raddr.port == port for c in found)


def open_streams(stack: Stack) -> int:
    """Connections of clients to the first API process."""
    found = psutil.Process(stack.apis[0].pid).net_connections("tcp")
    held = (psutil.CONN_ESTABLISHED, psutil.CONN_CLOSE_WAIT)
    return sum(c.laddr.port == stack.ports[0] and c.status in held for c in found)


async def opened(streams: contextlib.AsyncExitStack, url: str, count: int) -> list[RawResponse]:
    """So many live streams of which the first line has come."""
    entered = [streams.enter_async_context(raw_get(url, headers=IDENTITY)) for _ in range(count)]
    responses = [await entering for entering in entered]
    for response in responses:
        assert (await response.read_chunk()).startswith(b'{"type":"meta"')
    return responses


async def test_many_live_streams_need_few_connections_to_redis_and_free_all_when_they_leave(
    stack: Stack, plant: Plant, faults: Faults, tell: Callable[[str], None]
) -> None:
    await ready(stack)
    process = psutil.Process(stack.apis[0].pid)
    async with standing_job(stack, faults, plant) as job_id, stack.client() as api:
        url = stack.url + path_of(job_id)
        await status_of(api, job_id)
        others = open_streams(stack)  # connections that are kept for the next question
        async with contextlib.AsyncExitStack() as streams:
            await opened(streams, url, FEW)
            descriptors, memory = process.num_fds(), process.memory_info().rss
            await opened(streams, url, WATCHERS - FEW)
            held, many = open_streams(stack), redis_connections(stack)
            begin = time.monotonic()
            assert (await status_of(api, job_id))["status"] == "running"
            asked = time.monotonic() - begin
            grown = (process.memory_info().rss - memory) / WATCHERS / 1024
        begin = time.monotonic()
        await wait_until(
            lambda: open_streams(stack) <= others, timeout=FREE_SECONDS, message="streams are freed"
        )
        freed = time.monotonic() - begin
        await wait_until(lambda: process.num_fds() <= descriptors + POOL, message="descriptors are freed")
    assert held >= WATCHERS
    assert many <= POOL + 1  # the pool, and the bell's
    tell(
        f"{WATCHERS} live streams on one API process: {many} connections to Redis, {grown:.0f} KiB each, "
        f"a status in {asked:.2f} s; all left, freed in {freed:.1f} s"
    )


async def test_a_client_that_leaves_frees_its_stream_and_the_job_goes_on(
    stack: Stack, plant: Plant, faults: Faults, tell: Callable[[str], None]
) -> None:
    """It leaves while records are on their way, unread."""
    await ready(stack)
    faults.set(pause_seconds=0.05)
    times: list[float] = []
    async with stack.client(api=1) as api:
        job_id = await submit(api, plant.container_ids)
        for _ in range(pick(3, 20)):
            async with raw_get(stack.url + path_of(job_id), headers=IDENTITY) as response:
                await response.read_some(20_000)
            begin = time.monotonic()
            await wait_until(lambda: open_streams(stack) == 0, timeout=FREE_SECONDS, message="it is freed")
            times.append(time.monotonic() - begin)
        status = await ended(api, job_id, timeout=pick(90, 600))
    assert status["status"] == "finished"
    tell(f"{len(times)} clients left in the middle, each freed within {max(times):.2f} s")
