"""Errors: each code of protocol.md, section 1, in its shape and with its headers."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from typing import Any

import duckdb
import httpx
import pytest

from tests.asking import ASYNC, EVENTS, ended, finished, question, some_ids, stopped_worker, submit
from tests.problems import assert_problem
from tests.support import Plant, Stack
from tracesvc.demo.tiny import make_tiny_plant

JSON = "application/json"


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], tiny_plant: Plant) -> Stack:
    return stacks(tiny_plant, workers=1)


@pytest.fixture
async def done(api: httpx.AsyncClient) -> str:
    """A finished job that has `history` and `holds` alone."""
    return await finished(api, some_ids(3), fresh=False, domains=["history", "holds"])


async def last_line(api: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    body = (await api.get(f"/api/trace/job/{job_id}/stream")).content
    found: dict[str, Any] = json.loads(body.splitlines()[-1])
    return found


# 404


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "/api/trace/nothing",
        "/api/trace",
        "/api/trace/",
        "/api/trace/events/x",
        "/api/trace/job",
        "/api/trace/job/",
        "/api/trace/job/x/nothing",
        "/api/trace/job/x/result/y",
        "/api/other",
        "/api/trace//events",
    ],
)
async def test_an_unknown_route_is_not_found(api: httpx.AsyncClient, method: str, path: str) -> None:
    assert_problem(await api.request(method, path), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", ""),
        ("GET", "?wait=30"),
        ("DELETE", ""),
        ("GET", "/stream"),
        ("GET", "/stream?after=history:0"),
        ("GET", "/result"),
        ("GET", "/result?domain=history"),
    ],
)
@pytest.mark.parametrize("job_id", ["trace-evt-" + "0" * 32, "x", "trace-evt-", "*", "a:meta", "設備"])
async def test_an_unknown_job_is_not_found(
    api: httpx.AsyncClient, method: str, rest: str, job_id: str
) -> None:
    assert_problem(await api.request(method, f"/api/trace/job/{job_id}{rest}"), 404, "JOB_NOT_FOUND")


@pytest.mark.parametrize("rest", ["result?domain=rejects", "result?domain=nope", "stream?domain=rejects"])
async def test_a_domain_that_the_job_has_not_is_not_found(
    api: httpx.AsyncClient, done: str, rest: str
) -> None:
    assert_problem(await api.get(f"/api/trace/job/{done}/{rest}"), 404, "DOMAIN_NOT_IN_JOB")


# 405


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", EVENTS, {"POST"}),
        ("PUT", EVENTS, {"POST"}),
        ("DELETE", EVENTS, {"POST"}),
        ("POST", "/api/trace/jobs", {"GET"}),
        ("PUT", "/api/trace/job/x", {"GET", "DELETE"}),
        ("POST", "/api/trace/job/x", {"GET", "DELETE"}),
        ("POST", "/api/trace/job/x/stream", {"GET"}),
        ("DELETE", "/api/trace/job/x/result", {"GET"}),
        ("PATCH", "/api/trace/catalogue", {"GET"}),
        ("POST", "/livez", {"GET"}),
        ("POST", "/readyz", {"GET"}),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    api: httpx.AsyncClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = await api.request(method, path)
    assert_problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert {name.strip() for name in answer.headers["allow"].split(",")} - {"HEAD", "OPTIONS"} == allowed


# 409


async def test_the_whole_result_of_a_job_that_has_not_ended_is_a_conflict(
    stack: Stack, api: httpx.AsyncClient
) -> None:
    with stopped_worker(stack):
        job_id = await submit(api, some_ids(4))
        whole = assert_problem(await api.get(f"/api/trace/job/{job_id}/result"), 409, "JOB_NOT_COMPLETE")
        stream = await api.get(f"/api/trace/job/{job_id}/stream?follow=false")
        finished_only = assert_problem(stream, 409, "JOB_NOT_COMPLETE")
    for problem in (whole, finished_only):
        assert {"queued", "running"} & {value for value in problem.values() if isinstance(value, str)}
    await ended(api, job_id)
    assert (await api.get(f"/api/trace/job/{job_id}/stream?follow=false")).status_code == 200


# 413


@pytest.fixture(scope="module")
def narrow(stacks: Callable[..., Stack], tiny_plant: Plant) -> Stack:
    """Bodies of at most 2,000 bytes."""
    return stacks(tiny_plant, workers=0, trace_max_body_bytes=2000)


async def _pieces(size: int) -> AsyncIterator[bytes]:
    yield b'{"profile":"query_tool","container_ids":["'
    for _ in range(size // 500):
        yield b"x" * 500
    yield b'"]}'


@pytest.mark.parametrize("size", [2001, 5_000, 2_000_000])
async def test_a_body_over_the_limit_is_too_large(narrow: Stack, size: int) -> None:
    body = json.dumps(question(["a"])).encode().ljust(size)
    async with narrow.client() as api:
        answer = await api.post(EVENTS, content=body, headers={"Content-Type": JSON})
        assert_problem(answer, 413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("size", [2_500, 200_000])
async def test_a_chunked_body_over_the_limit_is_too_large(narrow: Stack, size: int) -> None:
    async with narrow.client() as api:
        answer = await api.post(EVENTS, content=_pieces(size), headers={"Content-Type": JSON})
        assert_problem(answer, 413, "BODY_TOO_LARGE")


async def test_a_body_of_just_the_limit_is_taken(narrow: Stack) -> None:
    body = json.dumps(question(["a"])).encode().ljust(2000)
    async with narrow.client() as api:
        answer = await api.post(EVENTS, content=body, headers={"Content-Type": JSON})
        assert answer.status_code == 200


async def test_the_limit_holds_for_what_follows_too(narrow: Stack) -> None:
    async with narrow.client() as api:
        for _ in range(5):
            answer = await api.post(EVENTS, content=_pieces(50_000), headers={"Content-Type": JSON})
            assert_problem(answer, 413, "BODY_TOO_LARGE")
        assert (await api.post(EVENTS, json=question(["a"]))).status_code == 200


# 415


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "text/json",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/x-ndjson",
        "application/jsonp",
        "application/json/x",
        "json",
        "*/*",
    ],
)
async def test_a_body_that_is_not_declared_as_json_is_unsupported(
    api: httpx.AsyncClient, media_type: str
) -> None:
    body = json.dumps(question(["a"])).encode()
    answer = await api.post(EVENTS, content=body, headers={"Content-Type": media_type})
    assert_problem(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_body_of_no_declared_type_is_unsupported(api: httpx.AsyncClient) -> None:
    answer = await api.post(EVENTS, content=json.dumps(question(["a"])).encode())
    assert_problem(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "Application/JSON", 'application/json; charset="UTF-8"', "application/json;"],
)
async def test_json_is_taken_however_it_is_spelled(api: httpx.AsyncClient, media_type: str) -> None:
    body = json.dumps(question(["a"])).encode()
    answer = await api.post(EVENTS, content=body, headers={"Content-Type": media_type})
    assert answer.status_code == 200


# 422


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"profile": "nope", "container_ids": ["a"]}, "profile"),
        ({"profile": "query_tool"}, "container_ids"),
        ({"profile": "query_tool", "container_ids": ["", "  "]}, "container_ids"),
        ({"profile": "query_tool", "container_ids": ["a", 1]}, "container_ids"),
        ({"profile": "query_tool", "container_ids": ["a", "x" * 65]}, "container_ids"),
        ({"profile": "query_tool", "container_ids": ["a\u0000b"]}, "container_ids"),
        ({"profile": "query_tool", "container_ids": ["a"], "domains": ["nope"]}, "domains"),
        ({"profile": "query_tool", "container_ids": ["a"], "surprise": 1}, "surprise"),
        (
            {"profile": "mid_section_defect", "container_ids": ["a"], "params": {"direction": "up"}},
            "direction",
        ),
    ],
)
async def test_a_malformed_question_is_told_where(api: httpx.AsyncClient, body: object, place: str) -> None:
    problem = assert_problem(await api.post(EVENTS, json=body), 422, "INVALID_PARAMS")
    assert place in problem["errors"][0]["loc"]
    assert place in problem["detail"]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("jobs?limit=0", "limit"),
        ("jobs?limit=101", "limit"),
        ("jobs?limit=abc", "limit"),
        ("job/{id}?wait=-1", "wait"),
        ("job/{id}?wait=31", "wait"),
        ("job/{id}?wait=nan", "wait"),
        ("job/{id}/result?domain=history&offset=-1", "offset"),
        ("job/{id}/result?domain=history&offset=1.5", "offset"),
        ("job/{id}/result?domain=history&limit=0", "limit"),
        ("job/{id}/result?domain=history&limit=50001", "limit"),
        ("job/{id}/result?domain=history&limit=abc", "limit"),
        ("job/{id}/stream?follow=perhaps", "follow"),
        ("job/{id}/stream?after=history", "after"),
        ("job/{id}/stream?after=:0", "after"),
        ("job/{id}/stream?after=history:-2", "after"),
        ("job/{id}/stream?after=history:x", "after"),
        ("job/{id}/stream?after=history:1000000", "after"),
        ("job/{id}/stream?after=rejects:0", "after"),
        ("job/{id}/stream?after=nope:0", "after"),
        ("job/{id}/stream?after=history:0&domain=holds", "after"),
    ],
)
async def test_a_malformed_parameter_is_told_which(
    api: httpx.AsyncClient, done: str, path: str, place: str
) -> None:
    answer = await api.get("/api/trace/" + path.replace("{id}", done))
    problem = assert_problem(answer, 422, "INVALID_PARAMS")
    assert place in problem["errors"][0]["loc"]


async def test_a_long_list_of_faults_is_cut(api: httpx.AsyncClient) -> None:
    answer = await api.post(EVENTS, json={"profile": "query_tool", "container_ids": list(range(5000))})
    problem = assert_problem(answer, 422, "INVALID_PARAMS")
    assert 1 <= len(problem["errors"]) <= 100


# 429


@pytest.mark.parametrize("bound", ["trace_queue_max_jobs", "trace_caller_max_jobs"])
async def test_more_jobs_than_may_wait_are_refused(
    stacks: Callable[..., Stack], tiny_plant: Plant, bound: str
) -> None:
    full = stacks(tiny_plant, workers=1, **{bound: 1})
    async with full.client() as api:
        with stopped_worker(full):
            first = await submit(api, some_ids(1))
            answer = await api.post(EVENTS, json=question(some_ids(2)), headers=ASYNC)
            assert_problem(answer, 429, "QUEUE_FULL")
            again = await api.post(EVENTS, json=question(some_ids(1)), headers=ASYNC)
            assert (again.status_code, again.json()["job_id"]) == (202, first)
        await ended(api, first)
        await finished(api, some_ids(2))


async def test_a_refused_job_leaves_nothing_behind(stacks: Callable[..., Stack], tiny_plant: Plant) -> None:
    full = stacks(tiny_plant, workers=1, trace_caller_max_jobs=1)
    async with full.client() as api:
        with stopped_worker(full):
            first = await submit(api, some_ids(1))
            await api.post(EVENTS, json=question(some_ids(2)), headers=ASYNC)
            listed = (await api.get("/api/trace/jobs?limit=1")).json()["jobs"]
            async with full.redis() as store:
                jobs = {
                    name.split(b":")[3] async for name in store.scan_iter(f"{full.prefix}trace:job:*:request")
                }
        assert [job["job_id"] for job in listed] == [first]
        assert first.encode() in jobs
        await ended(api, first)


# 503, 504


async def test_a_source_that_is_gone_is_unavailable(
    stacks: Callable[..., Stack], tiny_plant: Plant, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("gone") / "plant"
    make_tiny_plant(folder)
    lost = stacks(Plant(folder, tiny_plant.container_ids), workers=1, trace_source_patience_seconds=2)
    async with lost.client() as api:
        ids = tiny_plant.container_ids
        assert (await api.post(EVENTS, json=question(ids))).status_code == 200
        await finished(api, ids[:3])  # the worker has opened its source too
        for file in folder.iterdir():
            file.unlink()
        answer = await api.post(EVENTS, json=question(some_ids(5)))
        assert_problem(answer, 503, "SOURCE_UNAVAILABLE")
        job_id = await submit(api, some_ids(5))
        status = await ended(api, job_id)
        assert status["status"] == "failed"
        assert status["error"]["code"] in {"JOB_FAILED", "SOURCE_UNAVAILABLE"}
        assert (await last_line(api, job_id))["code"] == status["error"]["code"]


@pytest.fixture(scope="module")
def hurried(
    stacks: Callable[..., Stack], small_plant: Plant, tmp_path_factory: pytest.TempPathFactory
) -> Stack:
    """Statements may take 10 ms, and whatever reads this plant's history first counts for longer."""
    path = tmp_path_factory.mktemp("slow") / "plant.duckdb"
    shutil.copy(small_plant.path, path)
    with duckdb.connect(str(path)) as plant:
        plant.execute("USE DWH")
        plant.execute("ALTER TABLE DW_MES_LOTWIPHISTORY RENAME TO KEPT")
        plant.execute(
            "CREATE VIEW DW_MES_LOTWIPHISTORY AS SELECT * FROM DWH.KEPT"
            " WHERE (SELECT sum(hash(i)) FROM range(1_000_000_000) counted(i)) > 0"
        )
    return stacks(Plant(path, small_plant.container_ids), workers=1, db_slow_call_timeout_ms=10)


async def test_a_source_that_is_too_slow_is_a_timeout(hurried: Stack) -> None:
    async with hurried.client() as api:
        answer = await api.post(EVENTS, json=question(some_ids(1000), domains=["history"]))
        assert_problem(answer, 504, "SOURCE_TIMEOUT")


async def test_a_job_without_any_good_domain_has_failed(hurried: Stack) -> None:
    async with hurried.client() as api:
        job_id = await submit(api, hurried.plant.container_ids if hurried.plant else (), domains=["history"])
        status = await ended(api, job_id)
        assert status["status"] == "failed"
        assert status["error"]["code"] == "JOB_FAILED"
        assert status["error"]["message"]
        assert status["failed_domains"] == ["history"]
        line = await last_line(api, job_id)
        assert (line["type"], line["code"]) == ("error", "JOB_FAILED")
        whole = (await api.get(f"/api/trace/job/{job_id}/result")).json()
        assert (whole["code"], whole["failed_domains"]) == ("JOB_FAILED", ["history"])


# How jobs end


async def test_a_result_over_its_bound_ends_the_job(stacks: Callable[..., Stack], small_plant: Plant) -> None:
    bounded = stacks(small_plant, workers=1, trace_job_max_result_bytes=50_000)
    async with bounded.client() as api:
        job_id = await submit(api, small_plant.container_ids)
        status = await ended(api, job_id)
        assert (status["status"], status["error"]["code"]) == ("failed", "RESULT_TOO_LARGE")
        assert (await last_line(api, job_id))["code"] == "RESULT_TOO_LARGE"
        assert status["progress"]["bytes"] <= 50_000


@pytest.fixture(scope="module")
def slow(stacks: Callable[..., Stack], medium_plant: Plant) -> Stack:
    """A container a statement, and two seconds a job: tens of thousands of statements do not end in time."""
    return stacks(
        medium_plant,
        workers=1,
        trace_unit_cids=1,
        trace_job_timeout_seconds=2,
        event_fetcher_cache_skip_cid_threshold=0,
    )


async def test_a_job_out_of_time_ends_so(slow: Stack, medium_plant: Plant) -> None:
    async with slow.client() as api:
        job_id = await submit(api, medium_plant.container_ids)
        status = await ended(api, job_id, timeout=30)
        assert (status["status"], status["error"]["code"]) == ("failed", "JOB_TIMEOUT")
        assert (await last_line(api, job_id))["code"] == "JOB_TIMEOUT"
        whole = (await api.get(f"/api/trace/job/{job_id}/result?domain=history&limit=1")).json()
        assert whole["count"] == 1


async def test_an_open_stream_of_a_deleted_job_ends_with_its_code(slow: Stack, medium_plant: Plant) -> None:
    async with slow.client() as api:
        job_id = await submit(api, medium_plant.container_ids)
        opened = asyncio.Event()
        lines: list[dict[str, Any]] = []

        async def follow() -> None:
            async with api.stream("GET", f"/api/trace/job/{job_id}/stream") as answer:
                async for line in answer.aiter_lines():
                    lines.append(json.loads(line))
                    if lines[-1]["type"] == "records":
                        opened.set()

        reader = asyncio.create_task(follow())
        async with asyncio.timeout(20):
            await opened.wait()
            answer = await api.delete(f"/api/trace/job/{job_id}")
            await reader
        assert answer.status_code in {200, 202}
        assert (lines[-1]["type"], lines[-1]["code"]) == ("error", "JOB_CANCELLED")
        assert lines[-1]["retryable"] is False
