"""The routes of a job: list, status with `wait`, delete."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.asking import ENDED, ended, finished, some_ids, status_of, stopped_worker, submit
from tests.problems import assert_problem
from tests.support import Plant, Stack, wait_until

JOBS = "/api/trace/jobs"
UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
MEMBERS = {
    "job_id",
    "status",
    "stage",
    "profile",
    "cid_count",
    "domains",
    "progress",
    "attempt",
    "created_at",
    "started_at",
    "finished_at",
    "expires_at",
    "elapsed_seconds",
    "failed_domains",
    "error",
}
PROGRESS = {
    "percent",
    "records",
    "bytes",
    "records_per_second",
    "eta_seconds",
    "waiting_statements",
    "domains",
}
DOMAINS = ["history", "materials", "rejects", "holds", "jobs"]


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], tiny_plant: Plant) -> Stack:
    return stacks(tiny_plant, workers=1, trace_caller_max_jobs=1000)


@pytest.fixture(scope="module")
def slow(stacks: Callable[..., Stack], medium_plant: Plant) -> Stack:
    """A container a statement: a job that stays long enough to be watched."""
    return stacks(medium_plant, workers=1, trace_unit_cids=1, event_fetcher_cache_skip_cid_threshold=0)


def url(job_id: str, rest: str = "") -> str:
    return f"/api/trace/job/{job_id}{rest}"


# Status


async def test_the_status_of_a_finished_job(api: httpx.AsyncClient, tiny_plant: Plant) -> None:
    job_id = await finished(api, tiny_plant.container_ids)
    answer = await api.get(url(job_id))
    assert answer.headers["content-type"] == "application/json"
    status = answer.json()
    assert set(status) == MEMBERS
    expected = {
        "job_id": job_id,
        "status": "finished",
        "stage": "events",
        "profile": "query_tool",
        "attempt": 1,
    }
    assert {name: status[name] for name in expected} == expected
    assert status["cid_count"] == len(tiny_plant.container_ids)
    assert status["domains"] == DOMAINS
    assert (status["failed_domains"], status["error"]) == ([], None)
    progress = status["progress"]
    assert set(progress) == PROGRESS
    assert progress["percent"] == 100
    assert list(progress["domains"]) == DOMAINS
    assert progress["records"] == sum(found["records"] for found in progress["domains"].values()) > 0
    assert progress["bytes"] > 0
    for found in progress["domains"].values():
        assert set(found) == {"status", "batches_done", "batches_total", "records", "failed"}
        assert (found["status"], found["failed"]) == ("ok", 0)
        assert found["batches_done"] == found["batches_total"] >= 1


async def test_times_are_utc_and_in_order(api: httpx.AsyncClient) -> None:
    status = await status_of(api, await finished(api, some_ids(2)))
    times = [status[name] for name in ("created_at", "started_at", "finished_at", "expires_at")]
    assert all(UTC_TIME.fullmatch(moment) for moment in times)
    assert times == sorted(times)


async def test_a_queued_job_has_not_started(stack: Stack, api: httpx.AsyncClient) -> None:
    with stopped_worker(stack):
        job_id = await submit(api, some_ids(3))
        status = await status_of(api, job_id)
        assert set(status) == MEMBERS
        assert status["status"] == "queued"
        assert (status["started_at"], status["finished_at"], status["error"]) == (None, None, None)
        assert status["progress"]["percent"] == 0
        assert status["progress"]["records"] == 0
    await ended(api, job_id)


async def test_after_the_end_the_clock_of_a_job_stands_still(api: httpx.AsyncClient) -> None:
    job_id = await finished(api, some_ids(2))
    first = await status_of(api, job_id)

    async def a_second_has_passed() -> bool:
        other = await finished(api, some_ids(1))
        return bool((await status_of(api, other))["created_at"][:19] > first["finished_at"][:19])

    await wait_until(a_second_has_passed, timeout=10, message="another second")
    again = await status_of(api, job_id)
    assert again["elapsed_seconds"] == first["elapsed_seconds"]
    assert again["finished_at"] == first["finished_at"]


async def test_progress_never_goes_back(slow: Stack, medium_plant: Plant) -> None:
    async with slow.client() as api:
        job_id = await submit(api, medium_plant.container_ids[:40])
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["status"] not in ENDED:
            seen.append((await api.get(url(job_id, "?wait=5"))).json())
            assert len(seen) < 10_000
    assert seen[-1]["status"] == "finished"
    percents = [status["progress"]["percent"] for status in seen]
    records = [status["progress"]["records"] for status in seen]
    assert percents == sorted(percents)
    assert records == sorted(records)
    assert 0 <= percents[0] < percents[-1] == 100
    assert len(set(records)) > 3, "progress is seen while the job runs"
    order = ["queued", "running", "finished"]
    assert [order.index(status["status"]) for status in seen] == sorted(
        order.index(status["status"]) for status in seen
    )


# wait


async def test_waiting_for_a_finished_job_is_over_at_once(api: httpx.AsyncClient) -> None:
    job_id = await finished(api, some_ids(2))
    started = time.monotonic()
    assert (await api.get(url(job_id, "?wait=30"))).json()["status"] == "finished"
    assert time.monotonic() - started < 2


async def test_waiting_ends_after_its_time_when_nothing_changes(stack: Stack, api: httpx.AsyncClient) -> None:
    with stopped_worker(stack):
        job_id = await submit(api, some_ids(4))
        started = time.monotonic()
        assert (await api.get(url(job_id, "?wait=1"))).json()["status"] == "queued"
        assert 0.9 < time.monotonic() - started < 4
        started = time.monotonic()
        assert (await api.get(url(job_id, "?wait=0"))).json()["status"] == "queued"
        assert time.monotonic() - started < 0.9
    await ended(api, job_id)


async def test_waiting_ends_when_something_changes(stack: Stack, api: httpx.AsyncClient) -> None:
    with stopped_worker(stack):
        job_id = await submit(api, some_ids(5))
        waiting = asyncio.create_task(api.get(url(job_id, "?wait=30")))
        assert (await api.get(url(job_id, "?wait=1"))).json()["status"] == "queued"
        assert not waiting.done()
    async with asyncio.timeout(15):
        assert (await waiting).json()["status"] != "queued"


async def test_waiting_for_a_job_that_is_deleted_ends_too(stack: Stack, api: httpx.AsyncClient) -> None:
    with stopped_worker(stack):
        job_id = await submit(api, some_ids(6))
        waiting = asyncio.create_task(api.get(url(job_id, "?wait=30")))
        assert (await api.get(url(job_id, "?wait=1"))).json()["status"] == "queued"
        assert (await api.delete(url(job_id))).status_code in {200, 202}
        async with asyncio.timeout(15):
            answer = await waiting
    assert answer.status_code == 404 or answer.json()["status"] == "cancelled"


@pytest.mark.parametrize("wait", ["-1", "31", "30.1", "abc", "nan", "inf", "", "1e999"])
async def test_an_impossible_wait_is_refused(api: httpx.AsyncClient, wait: str) -> None:
    job_id = await finished(api, some_ids(2), fresh=False)
    assert_problem(await api.get(url(job_id, f"?wait={wait}")), 422, "INVALID_PARAMS")


# List


async def test_jobs_are_listed_newest_first(api: httpx.AsyncClient) -> None:
    made = [await submit(api, some_ids(1)) for _ in range(5)]
    listed = (await api.get(JOBS)).json()
    assert set(listed) == {"jobs"}
    assert [job["job_id"] for job in listed["jobs"][:5]] == made[::-1]
    times = [job["created_at"] for job in listed["jobs"]]
    assert times == sorted(times, reverse=True)
    assert all(set(job) == MEMBERS for job in listed["jobs"])


async def test_a_listed_job_reads_as_its_status(api: httpx.AsyncClient) -> None:
    job_id = await finished(api, some_ids(1))

    async def the_same() -> bool:  # its end and its new time to live are two steps
        listed = (await api.get(JOBS, params={"limit": 1})).json()["jobs"]
        return bool(listed == [await status_of(api, job_id)])

    await wait_until(the_same)


async def test_the_list_has_20_unless_told(api: httpx.AsyncClient) -> None:
    last = [await submit(api, some_ids(1)) for _ in range(22)][-1]
    assert len((await api.get(JOBS)).json()["jobs"]) == 20
    assert len((await api.get(JOBS, params={"limit": 21})).json()["jobs"]) == 21
    assert len((await api.get(JOBS, params={"limit": 1})).json()["jobs"]) == 1
    assert len((await api.get(JOBS, params={"limit": 100})).json()["jobs"]) >= 22
    await ended(api, last)


@pytest.mark.parametrize("limit", ["0", "-1", "101", "abc", "1.5", "", "9" * 40, "1e2", "null"])
async def test_an_impossible_limit_is_refused(api: httpx.AsyncClient, limit: str) -> None:
    assert_problem(await api.get(JOBS, params={"limit": limit}), 422, "INVALID_PARAMS")


# Delete


async def test_deleting_a_finished_job_frees_it(
    stack: Stack, api: httpx.AsyncClient, tiny_plant: Plant
) -> None:
    job_id = await finished(api, tiny_plant.container_ids)
    assert await keys_of(stack, job_id)
    answer = await api.delete(url(job_id))
    assert (answer.status_code, answer.json()) == (200, {"status": "finished"})
    assert await keys_of(stack, job_id) == []
    for method, rest in [("GET", ""), ("GET", "/stream"), ("GET", "/result"), ("DELETE", "")]:
        assert_problem(await api.request(method, url(job_id, rest)), 404, "JOB_NOT_FOUND")
    listed = (await api.get(JOBS, params={"limit": 100})).json()["jobs"]
    assert job_id not in {job["job_id"] for job in listed}


async def test_deleting_one_job_leaves_the_others(api: httpx.AsyncClient) -> None:
    kept, dropped = await finished(api, some_ids(2)), await finished(api, some_ids(3))
    await api.delete(url(dropped))
    assert (await status_of(api, kept))["status"] == "finished"
    assert (await api.get(url(kept, "/result"))).status_code == 200


async def test_deleting_a_queued_job_cancels_it(stack: Stack, api: httpx.AsyncClient) -> None:
    with stopped_worker(stack):
        job_id = await submit(api, some_ids(7))
        answer = await api.delete(url(job_id))
    assert (answer.status_code, answer.json()["status"]) in {(200, "cancelled"), (202, "cancelling")}
    await _is_gone(stack, api, job_id)
    await finished(api, some_ids(8))


async def test_deleting_a_running_job_cancels_it(slow: Stack, medium_plant: Plant) -> None:
    async with slow.client() as api:
        job_id = await submit(api, medium_plant.container_ids)

        async def has_records() -> bool:
            return bool((await status_of(api, job_id))["progress"]["records"] > 0)

        await wait_until(has_records, message="the job runs")
        started = time.monotonic()
        answer = await api.delete(url(job_id))
        assert time.monotonic() - started < 7
        assert (answer.status_code, answer.json()["status"]) in {(200, "cancelled"), (202, "cancelling")}
        if answer.status_code == 202:
            state = await api.get(url(job_id))
            assert state.status_code == 404 or state.json()["status"] == "cancelled"
        await _is_gone(slow, api, job_id)
        await finished(api, medium_plant.container_ids[:3])


async def test_deleting_twice_at_once_does_no_harm(api: httpx.AsyncClient) -> None:
    job_id = await finished(api, some_ids(2))
    answers = await asyncio.gather(*(api.delete(url(job_id)) for _ in range(5)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes[0] == 200
    assert set(codes) <= {200, 404}
    said = {answer.json()["status"] for answer in answers if answer.status_code == httpx.codes.OK}
    assert said == {"finished"}


async def _is_gone(stack: Stack, api: httpx.AsyncClient, job_id: str) -> None:
    """404 for good, and no key is written once more."""

    async def is_gone() -> bool:
        return (await api.get(url(job_id))).status_code == 404 and not await keys_of(stack, job_id)

    await wait_until(is_gone, timeout=20, message="the cancelled job is gone")
    await finished(api, some_ids(1))
    assert await keys_of(stack, job_id) == []


async def keys_of(stack: Stack, job_id: str) -> list[str]:
    async with stack.redis() as store:
        return sorted(
            [name.decode() async for name in store.scan_iter(f"{stack.prefix}trace:job:{job_id}:*")]
        )
