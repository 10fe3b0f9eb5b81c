"""How long a job and its result live: deadlines, times to live, prolonging while someone reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest
import redis.asyncio

from tests.asking import ended, finished, some_ids, status_of, submit
from tests.streams import body_of, path_of, result_of
from tests.support import Plant, Stack, wait_until
from tracesvc.catalogue import load_catalogue
from tracesvc.lines import CompleteLine
from tracesvc.results.bell import Bell
from tracesvc.results.keys import Keys
from tracesvc.results.reader import JobStream
from tracesvc.results.status import read_status

TTL_SECONDS = 4


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], tiny_plant: Plant) -> Stack:
    return stacks(tiny_plant, workers=1, trace_job_ttl_seconds=TTL_SECONDS, trace_caller_max_jobs=100)


async def seconds_left(stack: Stack, store: redis.asyncio.Redis, job_id: str) -> list[float]:
    names = [name async for name in store.scan_iter(stack.key(job_id, "*"))]
    return [await store.pttl(name) / 1000 for name in names]


async def test_all_keys_of_a_finished_job_share_one_time_to_live(
    stack: Stack, api: httpx.AsyncClient, store: redis.asyncio.Redis, tiny_plant: Plant
) -> None:
    job_id = await finished(api, tiny_plant.container_ids)

    async def shared() -> bool:
        left = await seconds_left(stack, store, job_id)
        return len(left) > 5 and max(left) <= TTL_SECONDS and max(left) - min(left) < 0.5

    await wait_until(shared, timeout=3, message="one time to live for all keys")


async def test_a_result_that_nobody_reads_goes(api: httpx.AsyncClient, tiny_plant: Plant) -> None:
    job_id = await finished(api, tiny_plant.container_ids)

    async def is_gone() -> bool:
        return (await api.get(f"/api/trace/job/{job_id}")).status_code == httpx.codes.NOT_FOUND

    await wait_until(is_gone, timeout=4 * TTL_SECONDS, message="the result expires")


@pytest.mark.parametrize("reads", ["stream", "page"])
async def test_a_result_that_is_read_stays_but_not_for_ever(
    api: httpx.AsyncClient, tiny_plant: Plant, reads: str
) -> None:
    job_id = await finished(api, tiny_plant.container_ids, domains=["history"])
    first = await status_of(api, job_id)
    seen = {first["expires_at"]}

    async def read_until_it_goes() -> bool:
        answer = await api.get(f"/api/trace/job/{job_id}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return True
        seen.add(answer.json()["expires_at"])
        if reads == "page":
            answer = await api.get(path_of(job_id, "result"), params={"domain": "history"})
        else:
            answer = await api.get(path_of(job_id))
        return answer.status_code == httpx.codes.NOT_FOUND

    await wait_until(read_until_it_goes, timeout=8 * TTL_SECONDS, message="it goes in the end")
    assert len(seen) > 2, "expires_at moves while the result is read"
    assert max(seen) > first["expires_at"]


async def test_a_reader_that_began_while_the_job_ran_prolongs_its_result(
    stack: Stack, api: httpx.AsyncClient, store: redis.asyncio.Redis, tiny_plant: Plant
) -> None:
    keys = Keys(stack.prefix)
    job = keys.job(await finished(api, tiny_plant.container_ids))
    before = await read_status(store, job)
    running = replace(before, state="running", finished_at=None)  # as it was when the reader came
    stream = JobStream(store, job, Bell(store, keys.bell), load_catalogue(), TTL_SECONDS)

    async def half_is_over() -> bool:
        return (await read_status(store, job)).seconds_left < TTL_SECONDS / 2

    await wait_until(half_is_over, timeout=TTL_SECONDS, message="half of its time is over")
    lines = [piece async for piece in stream.pieces(running, running.domains, None)]
    assert isinstance(lines[-1], CompleteLine)
    after = await read_status(store, job)
    assert before.expires_at is not None
    assert after.expires_at is not None
    assert after.expires_at > before.expires_at


async def test_a_job_whose_question_is_damaged_fails_at_once_and_the_log_says_why(
    stack: Stack, api: httpx.AsyncClient, store: redis.asyncio.Redis, tiny_plant: Plant
) -> None:
    with stack.workers[0].paused():
        job_id = await submit(api, tiny_plant.container_ids)
        await store.set(stack.key(job_id, "request"), b"no question", keepttl=True)
    status = await ended(api, job_id)
    assert (status["status"], status["error"]["code"], status["attempt"]) == ("failed", "INTERNAL_ERROR", 1)
    log = stack.workers[0].tail().splitlines()
    assert len([line for line in log if f"{job_id}: the trace broke off" in line]) == 1


async def test_one_job_that_cannot_be_read_keeps_no_other_from_being_looked_after(
    stack: Stack, api: httpx.AsyncClient, store: redis.asyncio.Redis, tiny_plant: Plant
) -> None:
    """The other one's message is lost: only who looks after abandoned jobs can bring it back."""
    active, broken = f"{stack.prefix}trace:active:", stack.key("trace-evt-broken", "meta")
    with stack.workers[0].paused():
        await store.hset(broken, "status", "running")  # type: ignore[misc]
        await store.expire(broken, 600)
        await store.zadd(active, {"trace-evt-broken": 0})
        job_id = await submit(api, tiny_plant.container_ids)
        await store.zadd(active, {"trace-evt-broken": 0})  # before the other one
        await store.zrem(stack.queue, f"{job_id}:1")
        await store.unlink(f"arq:job:{job_id}:1")
    try:
        assert (await ended(api, job_id))["status"] == "finished"
        assert stack.workers[0].alive
    finally:
        await store.zrem(active, "trace-evt-broken")
        await store.unlink(broken)


async def test_a_job_that_no_worker_ran_in_its_time_ends(
    stacks: Callable[..., Stack], tiny_plant: Plant
) -> None:
    """Its only worker stands still; the one that comes later ends it instead of running it."""
    stack = stacks(tiny_plant, workers=1, trace_job_timeout_seconds=2, trace_lease_seconds=1)
    async with stack.client() as api:
        with stack.workers[0].paused():
            job_id = await submit(api, some_ids(3))

            async def overdue() -> bool:
                return float((await status_of(api, job_id))["elapsed_seconds"]) > 2.5

            await wait_until(overdue, message="the job has waited too long")
            assert (await status_of(api, job_id))["status"] == "queued"
        status = await ended(api, job_id)
        assert status["status"] in {"failed", "finished"}
        if status["status"] == "failed":
            assert status["error"]["code"] == "JOB_TIMEOUT"


async def test_a_deadline_keeps_what_was_committed(stacks: Callable[..., Stack], medium_plant: Plant) -> None:
    stack = stacks(
        medium_plant, workers=1, trace_unit_cids=5, trace_job_timeout_seconds=2, trace_async_cid_threshold=100
    )
    async with stack.client() as api:
        job_id = await submit(api, medium_plant.container_ids, domains=["history", "holds"])
        status = await ended(api, job_id)
        assert (status["status"], status["error"]["code"]) == ("failed", "JOB_TIMEOUT")
        assert 1 < status["elapsed_seconds"] < 20
        page = await result_of(api, job_id, domain="history")
        assert page["total"] == status["progress"]["domains"]["history"]["records"] > 0
        counts = (await api.get(path_of(job_id, "coverage"))).json()["domains"]["history"]
        assert counts["failed"] > 0
        assert counts["asked"] == counts["with_records"] + counts["without_records"] + counts["failed"]
        assert b'"code":"JOB_TIMEOUT"' in (await body_of(api, job_id)).splitlines()[-1]
