"""The analysis of a job, asked again over HTTP: with other filters, by rows, as a file."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import pytest
import redis.asyncio

from tests.msd_cases import example_a, example_b, random_case
from tests.msd_jobs import Kept, analysis_processes
from tests.msd_reference import Reference, Row
from tests.problems import assert_problem
from tests.support import Plant, Stack, wait_until
from tracesvc.aggregation.detail_columns import COLUMNS
from tracesvc.settings import load_settings

R1: Final = {"loss_reasons": ["R1"]}
PROCESSES: Final = 2


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], tiny_plant: Plant) -> Stack:
    """Two API processes on one data folder; the jobs are written by the tests."""
    return stacks(tiny_plant, apis=2, workers=0, trace_aggregation_processes=PROCESSES)


@pytest.fixture
async def kept(stack: Stack, store: redis.asyncio.Redis) -> Kept:
    settings = load_settings(
        trace_redis_url=stack.redis_url, trace_redis_prefix=stack.prefix, trace_worker_queue=stack.queue
    )
    return Kept(store, settings)


def path_of(job_id: str, name: str = "aggregate") -> str:
    return f"/api/trace/job/{job_id}/{name}"


async def aggregated(api: httpx.AsyncClient, job_id: str, **filters: list[str]) -> dict[str, Any]:
    answer = await api.post(path_of(job_id), json=filters)
    assert answer.status_code == httpx.codes.OK, answer.text[:500]
    document = answer.json()
    assert document["job_id"] == job_id
    found: dict[str, Any] = document["data"]
    return found


async def rows_of(api: httpx.AsyncClient, job_id: str, **params: Any) -> list[Row]:
    """Page after page."""
    rows: list[Row] = []
    offset: int | None = 0
    while offset is not None:
        answer = await api.get(path_of(job_id, "detail"), params={"limit": 25, **params, "offset": offset})
        assert answer.status_code == httpx.codes.OK, answer.text[:500]
        page = answer.json()
        assert (page["count"], page["complete"]) == (len(page["data"]), True)
        rows += page["data"]
        offset = page["next_offset"]
        assert offset is not None or page["total"] == len(rows)
    return rows


def bag_of(rows: list[Row]) -> list[str]:
    """Rows in whatever order."""
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def files_of(stack: Stack) -> list[Path]:
    return sorted((stack.folder / "cache" / "analysis").glob("*.duckdb"))


def processes_of(stack: Stack) -> list[psutil.Process]:
    """The analysis processes of all API processes."""
    return [process for part in stack.apis for process in analysis_processes(part.pid)]


async def test_a_job_is_analysed_from_what_it_left(api: httpx.AsyncClient, kept: Kept) -> None:
    answer = await aggregated(api, await kept.finished(example_a()))
    assert answer == Reference(example_a()).answer()
    assert answer["kpi"]["total_defect_rate"] == 2.1
    forward = await aggregated(api, await kept.finished(example_b()))
    assert forward == Reference(example_b()).answer()


@pytest.mark.parametrize("seed", [5, 20])
async def test_a_stored_analysis_equals_the_reference(api: httpx.AsyncClient, kept: Kept, seed: int) -> None:
    case = random_case(seed)
    job_id = await kept.finished(case)
    assert await aggregated(api, job_id) == Reference(case).answer()
    assert await rows_of(api, job_id) == Reference(case).detail()


async def test_filters_that_are_left_out_are_the_traces_own(api: httpx.AsyncClient, kept: Kept) -> None:
    job_id = await kept.finished(example_a(), **R1)
    defects = {
        "own": (await aggregated(api, job_id))["kpi"]["total_defect_qty"],
        "all": (await aggregated(api, job_id, loss_reasons=[]))["kpi"]["total_defect_qty"],
        "other": (await aggregated(api, job_id, loss_reasons=["R2"]))["kpi"]["total_defect_qty"],
    }
    assert defects == {"own": 50, "all": 105, "other": 55}
    assert sum(row["defect_qty"] for row in await rows_of(api, job_id)) == 50
    assert sum(row["defect_qty"] for row in await rows_of(api, job_id, loss_reasons="")) == 105
    assert sum(row["defect_qty"] for row in await rows_of(api, job_id, loss_reasons=["R1", "R2"])) == 105


async def test_a_failed_domain_makes_its_charts_null_and_says_so(api: httpx.AsyncClient, kept: Kept) -> None:
    case = example_a()
    case.complete = {"upstream_history": False, "materials": True}
    answer = await aggregated(api, await kept.finished(case))
    assert answer["domains_complete"] == {"upstream_history": False, "materials": True}
    assert answer["charts"]["by_machine"] is answer["attribution"] is answer["unclassified"] is None
    assert answer["kpi"]["affected_machine_count"] is None
    assert answer["charts"]["by_material"]
    case = example_b()
    case.complete = {"upstream_history": True}
    job_id = await kept.finished(case)
    kpi = (await aggregated(api, job_id))["kpi"]
    assert [kpi[name] for name in ("downstream_total_reject", "downstream_pass_rate", "amplification")] == [
        None
    ] * 3
    assert (await rows_of(api, job_id))[0]["reject_qty"] is None


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("make", [lambda: random_case(13), lambda: random_case(14)])
async def test_rows_sort_by_any_column(
    api: httpx.AsyncClient, kept: Kept, make: Callable[[], Any], order: str
) -> None:
    case = make()
    job_id = await kept.finished(case)
    rows = Reference(case).detail()
    for column in COLUMNS[case.direction]:
        known = [row for row in rows if row[column] is not None]
        wanted = sorted(known, key=lambda row: row[column], reverse=order == "desc")
        values = [row[column] for row in wanted] + [None] * (len(rows) - len(known))
        found = await rows_of(api, job_id, sort=column, order=order, limit=100)
        assert [row[column] for row in found] == values, column
        assert bag_of(found) == bag_of(rows), column


@pytest.mark.parametrize("how", [{"params": {"format": "csv"}}, {"headers": {"Accept": "text/csv"}}])
async def test_rows_come_as_a_csv_file(api: httpx.AsyncClient, kept: Kept, how: dict[str, Any]) -> None:
    case = example_a()
    case.lots[0]["CONTAINERNAME"] = '中文, "引號"\nL1'
    job_id = await kept.finished(case)
    answer = await api.get(path_of(job_id, "detail"), **how)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f'filename="{job_id}-detail.csv"' in answer.headers["content-disposition"]
    text = answer.content.decode("utf-8-sig")
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    wanted = [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in Reference(case).detail()
    ]
    assert found == wanted
    assert list(found[0]) == list(COLUMNS["backward"])


async def test_a_file_that_was_made_is_read_by_every_process_and_needs_no_redis(
    stack: Stack, kept: Kept, store: redis.asyncio.Redis
) -> None:
    job_id = await kept.finished(example_a())
    async with stack.client(api=0) as one, stack.client(api=1) as other:
        first = await aggregated(one, job_id)
        chunks = [key async for key in store.scan_iter(f"{stack.key(job_id, 'result')}:*")]
        assert chunks
        await store.delete(*chunks)
        assert await aggregated(other, job_id) == first


@pytest.mark.parametrize("damage", ["gone", "cut", "nonsense"])
async def test_a_file_that_is_lost_or_damaged_is_made_again(
    stack: Stack, api: httpx.AsyncClient, kept: Kept, damage: str
) -> None:
    job_id = await kept.finished(example_a())
    first = await aggregated(api, job_id)
    await aggregated(api, await kept.finished(example_b()))  # so that no process has the first one open
    for process in processes_of(stack):
        process.kill()
    (path,) = (path for path in files_of(stack) if path.stem == job_id)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:5000] if damage == "cut" else b"no database at all" * 1000)
    assert await aggregated(api, job_id) == first


async def test_a_missing_chunk_is_an_error_and_no_smaller_chart(
    stack: Stack, api: httpx.AsyncClient, kept: Kept, store: redis.asyncio.Redis
) -> None:
    job_id = await kept.finished(example_a())
    await store.delete(stack.key(job_id, "result:upstream_history:0"))
    assert_problem(await api.post(path_of(job_id), json={}), 500, "CHUNK_MISSING")
    job_id = await kept.finished(example_a())
    (lots,) = [key async for key in store.scan_iter(stack.key(job_id, "analysis:lots:*"))]
    await store.delete(lots)
    assert_problem(await api.post(path_of(job_id), json={}), 500, "CHUNK_MISSING")


async def test_many_ask_at_once_and_few_processes_answer(
    stack: Stack, api: httpx.AsyncClient, kept: Kept
) -> None:
    jobs = [await kept.finished(random_case(seed)) for seed in range(3)]
    answers = await asyncio.gather(*(aggregated(api, jobs[number % 3]) for number in range(12)))
    for number, answer in enumerate(answers):
        assert answer == answers[number % 3]
    assert len(processes_of(stack)) <= PROCESSES * len(stack.apis)


async def test_a_killed_process_costs_the_answers_it_was_giving_and_no_other(
    stack: Stack, api: httpx.AsyncClient, kept: Kept
) -> None:
    job_id = await kept.finished(example_a())
    first = await aggregated(api, job_id)
    for process in processes_of(stack):
        process.kill()
    assert await aggregated(api, job_id) == first


async def test_analysis_processes_end_with_their_api(stacks: Callable[..., Stack], tiny_plant: Plant) -> None:
    stack = stacks(tiny_plant, workers=0, trace_aggregation_processes=1)
    async with stack.client() as api, stack.redis() as store:
        settings = load_settings(
            trace_redis_url=stack.redis_url, trace_redis_prefix=stack.prefix, trace_worker_queue=stack.queue
        )
        await aggregated(api, await Kept(store, settings).finished(example_a()))
        (process,) = processes_of(stack)
        stack.apis[0].kill()
        await wait_until(lambda: not process.is_running(), message="the process ends")


async def test_a_job_without_an_analysis_says_so(api: httpx.AsyncClient, kept: Kept) -> None:
    lease, sink = await kept.begin(example_a())
    job_id = lease.keys.job_id
    running = assert_problem(await api.post(path_of(job_id), json={}), 409, "JOB_NOT_COMPLETE")
    assert running["job_status"] == "running"
    await sink.end_job("finished", None)
    assert_problem(await api.post(path_of(job_id), json={}), 404, "NOT_FOUND")
    assert_problem(await api.get(path_of(job_id, "detail")), 404, "NOT_FOUND")
    assert_problem(await api.post(path_of("trace-evt-none"), json={}), 404, "JOB_NOT_FOUND")


async def test_a_deleted_job_is_gone_with_its_inputs_and_its_file(
    stack: Stack, api: httpx.AsyncClient, kept: Kept, store: redis.asyncio.Redis
) -> None:
    job_id = await kept.finished(example_a())
    await aggregated(api, job_id)
    assert (await api.delete(f"/api/trace/job/{job_id}")).status_code == httpx.codes.OK
    assert_problem(await api.post(path_of(job_id), json={}), 404, "JOB_NOT_FOUND")
    assert [key async for key in store.scan_iter(stack.key(job_id, "*"))] == []
    assert job_id not in {path.stem for path in files_of(stack)}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 422, "INVALID_PARAMS"),
        (b"[]", 422, "INVALID_PARAMS"),
        (b'{"loss_reasons":"R1"}', 422, "INVALID_PARAMS"),
        (b'{"loss_reasons":[1]}', 422, "INVALID_PARAMS"),
        (b'{"reasons":[]}', 422, "INVALID_PARAMS"),
        (b'{"packages":["' + b"a" * 2_000_000 + b'"]}', 413, "BODY_TOO_LARGE"),
    ],
)
async def test_malformed_filters_are_refused(
    api: httpx.AsyncClient, kept: Kept, body: bytes, status: int, code: str
) -> None:
    job_id = await kept.finished(example_a())
    answer = await api.post(path_of(job_id), content=body, headers={"Content-Type": "application/json"})
    assert_problem(answer, status, code)


@pytest.mark.parametrize(
    "params",
    [
        {"sort": "nothing"},
        {"sort": "lot_no; DROP TABLE lot"},
        {"sort": "station_count"},
        {"order": "up"},
        {"limit": 0},
        {"limit": 50_001},
        {"offset": -1},
        {"format": "xlsx"},
    ],
)
async def test_malformed_questions_for_rows_are_refused(
    api: httpx.AsyncClient, kept: Kept, params: dict[str, Any]
) -> None:
    job_id = await kept.finished(example_a())
    assert_problem(await api.get(path_of(job_id, "detail"), params=params), 422, "INVALID_PARAMS")


async def test_hostile_filters_match_nothing(api: httpx.AsyncClient, kept: Kept) -> None:
    job_id = await kept.finished(example_a())
    hostile = ["'; DROP TABLE lot; --", "\x00", "\u202e", "%", "a" * 10_000, "NULL"]
    answer = await aggregated(api, job_id, loss_reasons=hostile, pj_types=hostile, packages=hostile)
    assert (answer["kpi"]["lot_count"], answer["kpi"]["top_loss_reason"]) == (0, None)
    assert (await aggregated(api, job_id))["kpi"]["lot_count"] == 4


async def test_an_answer_nobody_accepts_is_refused(api: httpx.AsyncClient, kept: Kept) -> None:
    job_id = await kept.finished(example_a())
    answer = await api.get(path_of(job_id, "detail"), headers={"Accept": "image/png"})
    assert_problem(answer, 406, "NOT_ACCEPTABLE")
