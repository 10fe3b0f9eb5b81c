"""Workers that are asked to stop, slots and attempts of those that die."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable

import pytest

from tests.asking import status_of, submit
from tests.chaos.acting import belongings, holder_of, nothing_leaked, reached, ready
from tests.chaos.faults import Faults
from tests.chaos.following import Follower, flows_again
from tests.chaos.size import moments, pick, schedule
from tests.plain import PlainPlant
from tests.streams import ALL_DOMAINS
from tests.support import Plant, Stack, wait_until

LEASE_SECONDS = 60
STOPS = pick(1, 10)
SOON_SECONDS = pick(20, 5)
END_SECONDS = 30


@pytest.fixture(scope="module")
def stack(chaotic: Callable[..., Stack], plant: Plant) -> Stack:
    return chaotic(plant, workers=2, trace_lease_seconds=LEASE_SECONDS)


async def test_a_worker_that_is_asked_to_stop_hands_its_job_on_at_once(
    stack: Stack, plant: Plant, plain: PlainPlant, faults: Faults, tell: Callable[[str], None]
) -> None:
    faults.set(pause_seconds=0.1)
    chance = schedule("stop")
    gaps: list[float] = []
    async with stack.client() as api, asyncio.TaskGroup() as group:
        job_id = await submit(api, plant.container_ids, domains=list(ALL_DOMAINS))
        client = Follower(job_id, stack.urls, plain)
        reading = group.create_task(client.follow())
        for percent in moments(chance, STOPS):
            await reached(api, job_id, percent)
            gaps.append(await stop_holder(stack, job_id, client))
            await ready(stack, workers=2)
        await reading
        status = await status_of(api, job_id)
    assert client.cuts == []
    assert client.received == sum(map(plain.count, ALL_DOMAINS))
    assert status["status"] == "finished"
    tell(
        f"{STOPS} workers asked to stop (lease {LEASE_SECONDS} s), {client.received} records once; "
        f"flowing on another after at most {max(gaps):.1f} s"
    )


async def stop_holder(stack: Stack, job_id: str, client: Follower) -> float:
    """Ask the job's worker to stop; how long until another sends records. Then start it again."""
    part = await holder_of(stack, job_id)
    part.signal(signal.SIGTERM)
    begin = time.monotonic()
    await wait_until(lambda: not part.alive, timeout=END_SECONDS, message=f"{part.name} ends: {part.tail()}")
    assert part.process.returncode == 0, part.tail()
    await flows_again(client, within=SOON_SECONDS)
    gap = time.monotonic() - begin
    assert gap < LEASE_SECONDS / 2, f"another worker went on after {gap:.1f} s only"
    part.restart()
    return gap


async def test_a_stopped_worker_leaves_nothing_behind(
    stack: Stack, plant: Plant, faults: Faults, tell: Callable[[str], None]
) -> None:
    await ready(stack, workers=2)
    async with stack.client() as api:
        warm = await submit(api, plant.container_ids[:100])
        await reached_or_ended(stack, warm)
        assert (await api.delete(f"/api/trace/job/{warm}")).status_code == 200
        before = await belongings(stack)
        faults.set(pause_seconds=0.2)
        job_id = await submit(api, plant.container_ids)
        await reached(api, job_id, 5)
        for part in stack.workers:
            part.signal(signal.SIGTERM)
        await wait_until(lambda: not any(part.alive for part in stack.workers), timeout=END_SECONDS)
        for part in stack.workers:
            part.restart()
        await ready(stack, workers=2)
        await holder_of(stack, job_id)
        assert (await api.delete(f"/api/trace/job/{job_id}")).status_code in (200, 202)
    after = await nothing_leaked(stack, before)
    tell(f"both workers stopped and started; {before.descriptors} descriptors, after {after.descriptors}")


async def reached_or_ended(stack: Stack, job_id: str) -> None:
    async with stack.client() as api:

        async def is_over() -> bool:
            return bool((await status_of(api, job_id))["status"] == "finished")

        await wait_until(is_over, timeout=60, message=f"{job_id} finishes")
