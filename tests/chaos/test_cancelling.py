"""Cancelling at any moment, queued or running, one or many: it is over soon and nothing is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

import httpx
import pytest

from tests.asking import ended, finished, status_of, submit
from tests.chaos.acting import Belongings, belongings, keys_of, nothing_leaked, reached
from tests.chaos.faults import Faults, Ledger
from tests.chaos.following import Follower
from tests.chaos.size import moments, pick, schedule
from tests.problems import assert_problem
from tests.streams import path_of
from tests.support import Plant, Stack, wait_until

CANCELS = pick(4, 20)
QUEUED = pick(20, 100)
GONE_SECONDS = pick(30.0, 10.0)  # the short form runs on machines that do much else
GRACE_SECONDS = 60
DOMAINS = ["history", "rejects", "materials"]


@pytest.fixture(scope="module")
def stack(chaotic: Callable[..., Stack], plant: Plant) -> Stack:
    return chaotic(plant, workers=2)


async def warmed(stack: Stack, plant: Plant) -> Belongings:
    """What the stack holds after its first jobs, when each worker has run some and all are deleted."""
    async with stack.client() as api:
        for number in range(6):
            job_id = await finished(api, plant.container_ids[number : number + 120], domains=DOMAINS)
            assert (await cancel(api, job_id))[0] == "finished"
    return await belongings(stack)


async def cancel(api: httpx.AsyncClient, job_id: str) -> tuple[str, float]:
    """Delete the job: what the answer says, and how many seconds it took until the job was gone."""
    begin = time.monotonic()
    answer = await api.delete(f"/api/trace/job/{job_id}")
    assert answer.status_code in (httpx.codes.OK, httpx.codes.ACCEPTED), answer.text
    said = str(answer.json()["status"])
    assert (answer.status_code == httpx.codes.ACCEPTED) == (said == "cancelling")

    async def is_gone() -> bool:
        found = await api.get(f"/api/trace/job/{job_id}")
        if found.status_code == httpx.codes.OK:
            assert (said, found.json()["status"]) == ("cancelling", "cancelled")
        return found.status_code == httpx.codes.NOT_FOUND

    await wait_until(is_gone, timeout=GONE_SECONDS, message=f"{job_id} is gone")
    return said, time.monotonic() - begin


async def test_a_job_cancelled_at_any_moment_is_gone_and_its_reader_is_told(
    stack: Stack, plant: Plant, faults: Faults, tell: Callable[[str], None]
) -> None:
    before = await warmed(stack, plant)
    chance = schedule("cancel")
    times: list[float] = []
    async with stack.client() as api:
        for percent in [0.0, *moments(chance, CANCELS - 1, begin=0)]:
            faults.set(pause_seconds=chance.uniform(0.02, 0.2))
            job_id = await submit(api, plant.container_ids[: pick(600, 3000)], domains=DOMAINS)
            client = Follower(job_id, stack.urls)
            reading = asyncio.create_task(client.to_last_line())
            await wait_until(partial(begins, client), message="the stream begins")
            await reached(api, job_id, percent)
            said, seconds = await cancel(api, job_id)
            times.append(seconds)
            last = await reading
            assert said in ("cancelled", "cancelling")
            assert (last["type"], last["code"], last["retryable"]) == ("error", "JOB_CANCELLED", False)
            assert_problem(await api.get(path_of(job_id)), 404, "JOB_NOT_FOUND")
            await nothing_is_left(stack, job_id)
    after = await nothing_leaked(stack, before)
    tell(
        f"{CANCELS} cancels, gone after at most {max(times):.1f} s; {summary(before)}, after {summary(after)}"
    )


def begins(client: Follower) -> bool:
    return bool(client.seen.meta)


async def nothing_is_left(stack: Stack, job_id: str) -> None:
    """No key names the job, and nothing of it runs at the source."""
    async with stack.redis() as store:

        async def no_key() -> bool:
            return not await keys_of(store, f"*{job_id}*")

        await wait_until(no_key, message=f"no key of {job_id} is left")
    ledger = Ledger(stack.folder)
    await wait_until(lambda: ledger.running()[1] == 0, message="no statement runs")


def summary(found: Belongings) -> str:
    return (
        f"{found.processes} processes, {found.descriptors} descriptors, {len(found.keys)} keys, "
        f"{found.redis_connections} Redis connections"
    )


async def test_of_many_queued_jobs_half_are_cancelled_and_the_others_finish(
    stack: Stack, plant: Plant, faults: Faults, tell: Callable[[str], None]
) -> None:
    before = await warmed(stack, plant)
    chance = schedule("half")
    faults.set(pause_seconds=0.05)
    async with stack.client() as api:
        ids = plant.container_ids
        jobs = [await submit(api, ids[number : number + 100], domains=DOMAINS) for number in range(QUEUED)]
        states = [(await status_of(api, job_id))["status"] for job_id in jobs]
        doomed = chance.sample(jobs, QUEUED // 2)
        said = [text for text, _ in await asyncio.gather(*(cancel(api, job_id) for job_id in doomed))]
        kept = [job_id for job_id in jobs if job_id not in doomed]
        statuses = [await ended(api, job_id, timeout=pick(90, 600)) for job_id in kept]
        assert {status["status"] for status in statuses} == {"finished"}
        listed = (await api.get("/api/trace/jobs", params={"limit": 100})).json()["jobs"]
        assert {job["job_id"] for job in listed} == set(kept[-100:])
        for job_id in kept:
            assert (await cancel(api, job_id))[0] == "finished"
        for job_id in jobs:
            await nothing_is_left(stack, job_id)
    after = await nothing_leaked(stack, before)
    waiting = states.count("queued")
    tell(
        f"{QUEUED} jobs, {waiting} of them still queued, "
        f"{said.count('cancelled')} of {len(doomed)} cancelled, "
        f"{len(kept)} finished; {summary(before)}, after {summary(after)}"
    )
