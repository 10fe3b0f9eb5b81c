"""Workers that die or stand still in the middle of a job: its stream goes on, whole and once."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable

import pytest

from tests.asking import status_of, submit
from tests.chaos.acting import holder_of, lease_of, reached, ready
from tests.chaos.faults import Faults, Ledger
from tests.chaos.following import Follower, flows_again
from tests.chaos.size import moments, pick, schedule
from tests.plain import PlainPlant
from tests.streams import ALL_DOMAINS
from tests.support import Plant, Stack, wait_until

LEASE_SECONDS = pick(2, 15)
KILLS = pick(2, 20)
FREEZES = pick(1, 5)
FLOW_SECONDS = pick(60, 30)  # the short form runs on machines that do much else
PAUSE_SECONDS = 0.1


@pytest.fixture(scope="module")
def stack(chaotic: Callable[..., Stack], plant: Plant) -> Stack:
    return chaotic(plant, workers=2, trace_lease_seconds=LEASE_SECONDS)


async def kill_holder(stack: Stack, job_id: str, client: Follower) -> float:
    """Kill the worker that runs the job, start it again, and wait until records flow: for so many seconds."""
    victim = await holder_of(stack, job_id)
    victim.kill()
    victim.restart()
    return await flows_again(client, within=FLOW_SECONDS)


async def test_a_job_whose_workers_are_killed_arrives_whole_and_once_over_one_stream(
    stack: Stack, plant: Plant, plain: PlainPlant, faults: Faults, tell: Callable[[str], None]
) -> None:
    faults.set(pause_seconds=PAUSE_SECONDS)
    chance = schedule("kill")
    gaps: list[float] = []
    async with stack.client() as api, asyncio.TaskGroup() as group:
        job_id = await submit(api, plant.container_ids, domains=list(ALL_DOMAINS))
        client = Follower(job_id, stack.urls, plain)
        reading = group.create_task(client.follow())
        for percent in moments(chance, KILLS):
            await reached(api, job_id, percent)
            await asyncio.sleep(chance.uniform(0, 3 * PAUSE_SECONDS))
            gaps.append(await kill_holder(stack, job_id, client))
        seen = await reading
        status = await status_of(api, job_id)
    assert client.cuts == []
    assert {name: seen.domains[name].count for name in ALL_DOMAINS} == {
        name: plain.count(name) for name in ALL_DOMAINS
    }
    assert status["attempt"] >= KILLS + 1
    tell(
        f"{KILLS} workers killed (lease {LEASE_SECONDS} s), {status['attempt']} attempts, "
        f"{client.received} records once; flowing again after at most {max(gaps):.1f} s"
    )


async def test_a_worker_that_wakes_up_after_its_lease_ran_out_doubles_nothing(
    stack: Stack, plant: Plant, plain: PlainPlant, faults: Faults, tell: Callable[[str], None]
) -> None:
    faults.set(pause_seconds=PAUSE_SECONDS)
    await ready(stack, workers=2)
    chance = schedule("freeze")
    refusals = 0
    async with stack.client() as api, asyncio.TaskGroup() as group:
        job_id = await submit(api, plant.container_ids, domains=list(ALL_DOMAINS))
        client = Follower(job_id, stack.urls, plain)
        reading = group.create_task(client.follow())
        for percent in moments(chance, FREEZES, end=60):
            await reached(api, job_id, percent)
            refusals += await wake_after_takeover(stack, job_id, client)
        seen = await reading
        status = await status_of(api, job_id)
    assert client.cuts == []
    assert sum(domain.count for domain in seen.domains.values()) == sum(map(plain.count, ALL_DOMAINS))
    assert all(part.alive for part in stack.workers)
    tell(
        f"{FREEZES} workers frozen past their lease and woken, {refusals} said that they lost the job, "
        f"{status['attempt']} attempts, {client.received} records once"
    )


async def wake_after_takeover(stack: Stack, job_id: str, client: Follower) -> bool:
    """Freeze the job's worker until another has committed, wake it, and wait until it stops reading.

    Gives whether it says that it lost the job: it may also find its connections to Redis timed out first.
    """
    zombie = await holder_of(stack, job_id)
    before = await lease_of(stack, job_id)
    start = zombie.log.stat().st_size
    zombie.signal(signal.SIGSTOP)
    begin = time.monotonic()
    try:
        await wait_until(lambda: lease_is_anothers(stack, job_id, before), timeout=60, message="a takeover")
        assert time.monotonic() - begin > LEASE_SECONDS / 2, "a lease was taken from a worker that held it"
        await flows_again(client, within=FLOW_SECONDS)
    finally:
        zombie.signal(signal.SIGCONT)

    ledger = Ledger(stack.folder)
    await wait_until(
        lambda: zombie.pid not in ledger.readers(), message=f"it stops reading: {zombie.tail(start)}"
    )
    assert (await lease_of(stack, job_id)) not in ("", before)
    return any(f"{job_id}: attempt" in line and "lease" in line for line in zombie.tail(start).splitlines())


async def lease_is_anothers(stack: Stack, job_id: str, before: str) -> bool:
    return (await lease_of(stack, job_id)) not in ("", before)
