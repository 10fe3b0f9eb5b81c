"""Admission: each row of protocol.md's table, under each reason for which jobs may not be available."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import tracesvc.catalogue
from tests.asking import ASYNC, EVENTS, ended, finished, question, some_ids, stopped_worker, submit
from tests.problems import assert_problem
from tests.support import Plant, Stack, StackCache, free_port, wait_until

MSD = "mid_section_defect"
THRESHOLD, LIMIT = 5, 10
BOUNDS: dict[str, Any] = {
    "trace_async_cid_threshold": THRESHOLD,
    "trace_events_cid_limit": LIMIT,
    "trace_caller_max_jobs": 1000,
}
SEEDS = {"profile": "query_tool", "seeds": {"resolve_type": "lot_id", "values": ["GA*"]}}
NEW = {"Cache-Control": "no-cache"}
JOB_ID = re.compile(r"trace-evt-[A-Za-z0-9_-]{22,}")  # 22 characters of base64 are 128 bits


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], tiny_plant: Plant) -> Stack:
    """Jobs are available: Redis answers, a worker serves the queue."""
    return stacks(tiny_plant, workers=1, **BOUNDS)


@pytest.fixture(scope="module")
def no_workers(stacks: Callable[..., Stack], tiny_plant: Plant) -> Stack:
    return stacks(tiny_plant, workers=0, **BOUNDS)


@pytest.fixture(scope="module")
def disabled(stack: Stack, stack_cache: StackCache, tiny_plant: Plant) -> Iterator[Stack]:
    """A worker serves the queue, yet `TRACE_WORKER_ENABLED` is false."""
    with_worker: dict[str, Any] = {"trace_worker_queue": stack.queue, "trace_redis_prefix": stack.prefix}
    part = stack_cache.fresh(tiny_plant, workers=0, trace_worker_enabled=False, **with_worker, **BOUNDS)
    yield part
    for process in part.parts:  # not `stop`: the keys are the other stack's too
        process.stop()


@pytest.fixture(scope="module")
def redis_away(stack_cache: StackCache, tiny_plant: Plant) -> Iterator[Stack]:
    """Nothing listens where Redis should be."""
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    part = stack_cache.fresh(tiny_plant, workers=0, trace_redis_url=nowhere, **BOUNDS)
    yield part
    part.stop()


@pytest.fixture(params=["no_workers", "disabled", "redis_away"])
def without_jobs(request: pytest.FixtureRequest) -> Stack:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Stack)
    return found


@pytest.fixture
async def jobless(without_jobs: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with without_jobs.client() as client:
        yield client


# Jobs are available


@pytest.mark.parametrize(
    ("count", "profile", "headers"),
    [
        (THRESHOLD + 1, "query_tool", {}),
        (LIMIT + 1, "query_tool", {}),
        (20 * LIMIT, "query_tool_reverse", {}),
        (1, MSD, {}),
        (1, "query_tool", ASYNC),
        (1, "query_tool", {"Prefer": "wait=10, Respond-Async"}),
    ],
)
async def test_a_job_is_started_when_asked_for_or_needed(
    api: httpx.AsyncClient, count: int, profile: str, headers: dict[str, str]
) -> None:
    answer = await api.post(EVENTS, json=question(some_ids(count), profile), headers=headers | NEW)
    assert answer.status_code == 202
    body = answer.json()
    job_id = body["job_id"]
    assert JOB_ID.fullmatch(job_id)
    assert body == {
        "stage": "events",
        "async": True,
        "job_id": job_id,
        "status": body["status"],
        "cid_count": count,
        "deduplicated": False,
        "status_url": f"/api/trace/job/{job_id}",
        "stream_url": f"/api/trace/job/{job_id}/stream",
        "result_url": f"/api/trace/job/{job_id}/result",
    }
    assert body["status"] in {"queued", "running"}
    assert answer.headers["location"] == body["status_url"]
    assert (await ended(api, job_id))["status"] == "finished"


@pytest.mark.parametrize("count", [1, THRESHOLD])
@pytest.mark.parametrize("headers", [{}, {"Prefer": "return=minimal"}, {"Prefer": "x-respond-async"}])
async def test_a_small_trace_is_answered_at_once(
    api: httpx.AsyncClient, count: int, headers: dict[str, str]
) -> None:
    answer = await api.post(EVENTS, json=question(some_ids(count)), headers=headers)
    assert answer.status_code == 200
    assert answer.json()["stage"] == "events"


async def test_the_threshold_counts_ids_after_normalising(api: httpx.AsyncClient) -> None:
    ids = some_ids(THRESHOLD)
    answer = await api.post(EVENTS, json=question([*ids, *ids, "", "  ", f" {ids[0]} "]))
    assert answer.status_code == 200


async def test_the_links_of_a_202_lead_to_the_job(api: httpx.AsyncClient) -> None:
    body = (await api.post(EVENTS, json=question(some_ids(1)), headers=ASYNC)).json()
    await ended(api, body["job_id"])
    for link in ("status_url", "stream_url", "result_url"):
        assert (await api.get(body[link])).status_code == 200


async def test_a_202_comes_whatever_accept_says(api: httpx.AsyncClient) -> None:
    answer = await api.post(EVENTS, json=question(some_ids(2)), headers=ASYNC | {"Accept": "text/html"})
    assert answer.status_code == 202
    assert answer.headers["content-type"] == "application/json"


async def test_job_ids_are_never_alike(api: httpx.AsyncClient) -> None:
    ids = [await submit(api, some_ids(1, start=number)) for number in range(8)]
    assert len({job_id[:24] for job_id in ids}) == 8


async def test_a_worker_that_was_killed_is_not_counted_on(stack_cache: StackCache, tiny_plant: Plant) -> None:
    lone = stack_cache.fresh(tiny_plant, workers=1, **BOUNDS)
    try:
        lone.workers[0].kill()
        async with lone.client() as api:

            async def is_refused() -> bool:
                answer = await api.post(EVENTS, json=question(some_ids(LIMIT + 1)))
                return answer.status_code == 413

            await wait_until(is_refused, timeout=25, message="a dead worker is forgotten after 15 s")
    finally:
        lone.stop()


# Jobs are not available


@pytest.mark.parametrize(
    ("count", "profile", "headers"),
    [
        (1, "query_tool", {}),
        (THRESHOLD + 1, "query_tool", {}),
        (LIMIT, "query_tool", {}),
        (LIMIT, "query_tool", ASYNC),
        (LIMIT + 1, MSD, {}),
    ],
)
async def test_without_jobs_what_is_within_the_limit_is_answered_at_once(
    jobless: httpx.AsyncClient, count: int, profile: str, headers: dict[str, str]
) -> None:
    started = time.monotonic()
    answer = await jobless.post(EVENTS, json=question(some_ids(count), profile), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["code"] is None
    assert time.monotonic() - started < 5


async def test_without_jobs_a_defect_analysis_over_the_limit_is_logged_as_a_warning(
    without_jobs: Stack, jobless: httpx.AsyncClient
) -> None:
    count = LIMIT + 37
    before = without_jobs.apis[0].log.stat().st_size
    assert (await jobless.post(EVENTS, json=question(some_ids(count), MSD))).status_code == 200

    def warned() -> bool:
        lines = without_jobs.apis[0].log.read_bytes()[before:].decode().splitlines()
        return any("warn" in line.lower() and "cid_count" in line and str(count) in line for line in lines)

    await wait_until(warned, timeout=5, message="a warning with cid_count")


@pytest.mark.parametrize("headers", [{}, ASYNC, {"Accept": "application/x-ndjson"}, {"Accept": "text/html"}])
async def test_without_jobs_too_many_are_refused_with_count_and_limit(
    jobless: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    started = time.monotonic()
    answer = await jobless.post(EVENTS, json=question(some_ids(LIMIT + 1)), headers=headers)
    problem = assert_problem(answer, 413, "CID_LIMIT_EXCEEDED")
    assert (problem["cid_count"], problem["limit"]) == (LIMIT + 1, LIMIT)
    assert time.monotonic() - started < 1


async def test_without_jobs_seeds_are_refused_for_now(jobless: httpx.AsyncClient) -> None:
    started = time.monotonic()
    assert_problem(await jobless.post(EVENTS, json=SEEDS), 503, "QUEUE_UNAVAILABLE")
    assert time.monotonic() - started < 1


async def test_a_switch_turned_off_wins_over_a_worker_that_serves(stack: Stack, disabled: Stack) -> None:
    async with stack.client() as on, disabled.client() as off:
        body = question(some_ids(LIMIT + 1))
        assert (await on.post(EVENTS, json=body)).status_code == 202
        assert (await off.post(EVENTS, json=body)).status_code == 413


async def test_a_job_can_be_read_where_none_are_started(stack: Stack, disabled: Stack) -> None:
    async with stack.client() as on, disabled.client() as off:
        job_id = await finished(on, some_ids(3))
        assert (await off.get(f"/api/trace/job/{job_id}")).json()["status"] == "finished"


# Redis is away


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/trace/jobs"),
        ("GET", "/api/trace/job/trace-evt-x"),
        ("GET", "/api/trace/job/trace-evt-x?wait=30"),
        ("GET", "/api/trace/job/trace-evt-x/stream"),
        ("GET", "/api/trace/job/trace-evt-x/result"),
        ("GET", "/api/trace/job/trace-evt-x/result?domain=history"),
        ("DELETE", "/api/trace/job/trace-evt-x"),
    ],
)
async def test_without_redis_every_job_route_says_so_within_a_second(
    redis_away: Stack, method: str, path: str
) -> None:
    async with redis_away.client() as api:
        started = time.monotonic()
        assert_problem(await api.request(method, path), 503, "QUEUE_UNAVAILABLE")
        assert time.monotonic() - started < 1


async def test_without_redis_the_records_are_the_same(
    redis_away: Stack, api: httpx.AsyncClient, tiny_plant: Plant
) -> None:
    ids = tiny_plant.container_ids[:THRESHOLD]
    async with redis_away.client() as away:
        alone = (await away.post(EVENTS, json=question(ids))).json()
    together = (await api.post(EVENTS, json=question(ids))).json()
    for answer in (alone, together):
        for record in answer["results"]["holds"]["data"]:
            record.pop("HOLD_HOURS")  # of an open hold: to the moment of asking
    assert alone == together
    assert sum(found["total"] for found in alone["results"].values()) > 0


async def test_without_redis_many_at_once_are_all_answered(redis_away: Stack) -> None:
    async with redis_away.client() as api:
        answers = await asyncio.gather(
            *(api.post(EVENTS, json=question(some_ids(3, start=number))) for number in range(12))
        )
    assert [answer.status_code for answer in answers] == [200] * 12


async def test_without_redis_the_process_is_live_and_not_ready(redis_away: Stack) -> None:
    async with redis_away.client() as api:
        assert (await api.get("/livez")).status_code == 200
        started = time.monotonic()
        ready = await api.get("/readyz")
        assert ready.status_code == 503
        assert "redis" in ready.text.lower()
        assert time.monotonic() - started < 3


# The same question


@pytest.mark.parametrize(
    "again",
    [
        ["a", "b", "c"],
        ["c", "a", "b"],
        ["a", "b", "c", "a"],
        [" a", "b\t", "", "  ", "c"],
    ],
)
async def test_an_identical_question_gets_the_same_job(api: httpx.AsyncClient, again: list[str]) -> None:
    first = await finished(api, ["a", "b", "c"])
    answer = (await api.post(EVENTS, json=question(again), headers=ASYNC)).json()
    assert answer["job_id"] == first
    assert answer["deduplicated"] is True
    assert answer["cid_count"] == 3
    assert answer["status"] == "finished"


async def test_saying_the_default_domains_aloud_is_the_same_question(api: httpx.AsyncClient) -> None:
    first = await submit(api, some_ids(3))
    domains = ["history", "materials", "rejects", "holds", "jobs"]
    assert await submit(api, some_ids(3), fresh=False, domains=domains) == first


async def test_white_space_and_the_order_of_members_make_no_other_question(api: httpx.AsyncClient) -> None:
    first = await submit(api, ["a", "é"])
    body = '\n{ "container_ids": [ "\\u00e9" , "a" ],\t"profile": "query_tool" }'
    headers = ASYNC | {"Content-Type": "application/json"}
    assert (await api.post(EVENTS, content=body.encode(), headers=headers)).json()["job_id"] == first


@pytest.mark.parametrize(
    "other",
    [
        question(["a", "b"]),
        question(["a", "b", "C"]),
        question(["a", "b", "c"], "query_tool_reverse"),
        question(["a", "b", "c"], domains=["history"]),
    ],
)
async def test_another_question_gets_another_job(api: httpx.AsyncClient, other: dict[str, Any]) -> None:
    first = await submit(api, ["a", "b", "c"])
    answer = (await api.post(EVENTS, json=other, headers=ASYNC)).json()
    assert answer["job_id"] != first


async def test_no_cache_asks_for_a_new_job_and_later_questions_get_that_one(api: httpx.AsyncClient) -> None:
    first = await finished(api, some_ids(4))
    headers = ASYNC | {"Cache-Control": "max-age=0, No-Cache"}
    answer = (await api.post(EVENTS, json=question(some_ids(4)), headers=headers)).json()
    assert answer["deduplicated"] is False
    assert answer["job_id"] != first
    assert (await ended(api, first))["status"] == "finished"


async def test_the_same_question_ten_times_at_once_is_one_job(stack: Stack) -> None:
    async with stack.client(limits=httpx.Limits(max_connections=10)) as api:
        body = question(some_ids(7, start=700))
        answers = await asyncio.gather(*(api.post(EVENTS, json=body, headers=ASYNC) for _ in range(10)))
    bodies = [answer.json() for answer in answers]
    assert {answer.status_code for answer in answers} == {202}
    assert len({body["job_id"] for body in bodies}) == 1
    assert sorted(body["deduplicated"] for body in bodies) == [False, *[True] * 9]


async def test_a_queued_job_is_joined_too(stack: Stack, api: httpx.AsyncClient) -> None:
    with stopped_worker(stack):
        first = await submit(api, some_ids(9, start=900))
        answer = (await api.post(EVENTS, json=question(some_ids(9, start=900)), headers=ASYNC)).json()
    assert (answer["job_id"], answer["deduplicated"]) == (first, True)
    assert (await ended(api, first))["status"] == "finished"


async def test_after_a_delete_the_question_is_new(api: httpx.AsyncClient) -> None:
    first = await finished(api, some_ids(5))
    assert (await api.delete(f"/api/trace/job/{first}")).status_code == 200
    answer = (await api.post(EVENTS, json=question(some_ids(5)), headers=ASYNC)).json()
    assert answer["job_id"] != first
    assert answer["deduplicated"] is False


async def test_a_question_asked_while_its_job_is_deleted_gets_a_job_all_the_same(stack: Stack) -> None:
    async with stack.client() as api, stack.client() as other:
        for _ in range(8):
            job_id = await finished(api, some_ids(6), domains=["holds"])
            again = question(some_ids(6), domains=["holds"])
            gone, *asked = await asyncio.gather(
                other.delete(f"/api/trace/job/{job_id}"),
                *(api.post(EVENTS, json=again, headers=ASYNC) for _ in range(4)),
            )
            assert gone.json()["status"] == "finished"
            assert {answer.status_code for answer in asked} == {httpx.codes.ACCEPTED}
            later = {answer.json()["job_id"] for answer in asked} - {job_id}
            assert len(later) <= 1
            for found in later:
                await ended(api, found)


async def test_a_job_older_than_its_shortest_cache_time_is_not_given_again(
    stacks: Callable[..., Stack], tiny_plant: Plant, tmp_path_factory: pytest.TempPathFactory
) -> None:
    quick = stacks(
        tiny_plant, workers=1, trace_catalogue=_catalogue_with_short_times(tmp_path_factory.mktemp("c"))
    )
    async with quick.client() as api:
        first = await finished(api, some_ids(2))

        async def is_renewed() -> bool:
            return await submit(api, some_ids(2), fresh=False) != first

        await wait_until(is_renewed, timeout=10, message="a new job once a second has passed")


def _catalogue_with_short_times(folder: Path) -> Path:
    """The built-in catalogue, with a second in place of each cache time."""
    built_in = Path(tracesvc.catalogue.__file__).parent
    shutil.copytree(built_in / "sql", folder / "sql")
    text = (built_in / "catalogue.yaml").read_text(encoding="utf-8")
    changed, count = re.subn(r"\bcache_seconds: *\d+", "cache_seconds: 1", text)
    assert count >= 7
    (folder / "catalogue.yaml").write_text(changed, encoding="utf-8")
    return folder / "catalogue.yaml"


# Accept


@pytest.mark.parametrize(
    ("accept", "served"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json", "application/json"),
        ("Application/JSON; q=0.3", "application/json"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("APPLICATION/X-NDJSON", "application/x-ndjson"),
        ("application/x-ndjson, application/json", "application/json"),
        ("application/x-ndjson;q=0.5, application/json;q=0.5", "application/json"),
        ("application/json;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("application/json;q=0.9, application/x-ndjson;q=0.4", "application/json"),
        ("application/x-ndjson, */*;q=0.1", "application/x-ndjson"),
        ("text/html, */*;q=0.1", "application/json"),
        ("text/html, application/x-ndjson;q=0.1", "application/x-ndjson"),
        ("application/json;q=0, */*", "application/x-ndjson"),
        ("application/x-ndjson;q=0, */*", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"),
    ],
)
async def test_the_higher_q_wins_and_a_tie_is_json(stack: Stack, accept: str | None, served: str) -> None:
    async with stack.client() as api:
        del api.headers["accept"]
        headers = {} if accept is None else {"Accept": accept}
        answer = await api.post(EVENTS, json=question(some_ids(2)), headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == served
    if served == "application/json":
        assert set(answer.json()) == {"stage", "results", "aggregation", "failed_domains", "code"}
    else:
        lines = [json.loads(line) for line in answer.content.splitlines()]
        assert (lines[0]["type"], lines[-1]["type"]) == ("meta", "complete")
        assert lines[0]["job_id"] is None


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "image/*",
        "application/json;q=0",
        "*/*;q=0",
        "application/x-ndjson;q=0.0, application/json;q=0.000",
        "application/xml, text/*",
        "application/json-seq",
    ],
)
async def test_406_when_accept_admits_neither(api: httpx.AsyncClient, accept: str) -> None:
    answer = await api.post(EVENTS, json=question(some_ids(2)), headers={"Accept": accept})
    assert_problem(answer, 406, "NOT_ACCEPTABLE")


async def test_an_error_comes_whatever_accept_says(api: httpx.AsyncClient) -> None:
    answer = await api.post(EVENTS, json={"profile": "nope"}, headers={"Accept": "text/html"})
    assert_problem(answer, 422, "INVALID_PARAMS")
