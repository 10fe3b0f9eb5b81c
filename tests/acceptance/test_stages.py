"""Stages 1 and 2 by themselves, and all stages in one call (protocol.md, 1 and 2; domain.md, 5 and 6)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import duckdb
import httpx
import pytest

from tests.asking import ASYNC, EVENTS, ended, question, some_ids, status_of
from tests.grammar import StreamChecker, check_stream
from tests.plain import PlainPlant, Reconciliation
from tests.problems import assert_problem
from tests.streams import as_of, body_of, path_of, result_of
from tests.support import Plant, Stack

SEED_RESOLVE: Final = "/api/trace/seed-resolve"
LINEAGE: Final = "/api/trace/lineage"
MSD: Final = "mid_section_defect"
MONTHS: Final = {"start_date": "2025-09-01", "end_date": "2025-10-31"}
ORDERS: Final = {"resolve_type": "work_order", "values": ["GA2509*", "GA99999999"]}


def seeds(**fields: Any) -> dict[str, Any]:
    return {"profile": "query_tool", "params": {**ORDERS, **fields}}


@pytest.fixture(scope="module")
def jobless(stacks: Callable[..., Stack], small_plant: Plant) -> Stack:
    """The same service without workers."""
    return stacks(small_plant, workers=0, trace_worker_enabled=False, trace_lineage_async_cid_threshold=5)


@pytest.fixture(scope="module")
def eager(stacks: Callable[..., Stack], small_plant: Plant) -> Stack:
    """A service whose stages become jobs soon."""
    return stacks(
        small_plant,
        workers=1,
        trace_seed_async_value_threshold=1,
        trace_seed_async_day_threshold=61,
        trace_lineage_async_cid_threshold=5,
    )


async def asked(api: httpx.AsyncClient, route: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = await api.post(route, json=body, headers=headers)
    assert answer.status_code == httpx.codes.OK, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def as_job(
    api: httpx.AsyncClient, route: str, body: dict[str, Any], *, headers: dict[str, str] | None = None
) -> tuple[dict[str, Any], StreamChecker]:
    """Ask, expect a job, and read its stream to its end."""
    answer = await api.post(route, json=body, headers=headers or {})
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    accepted: dict[str, Any] = answer.json()
    return accepted, check_stream(await body_of(api, accepted["job_id"]))


def orders_of(plant: Plant, pattern: str) -> set[str]:
    with duckdb.connect(str(plant.path), read_only=True) as con:
        sql = "SELECT trim(CONTAINERID) FROM DWH.DW_MES_CONTAINER WHERE trim(MFGORDERNAME) LIKE ?"
        return {row[0] for row in con.execute(sql, [pattern]).fetchall()}


# By themselves


async def test_seeds_are_resolved_at_once(api: httpx.AsyncClient, small_plant: Plant) -> None:
    answer = await asked(api, SEED_RESOLVE, seeds())
    found = {seed["container_id"] for seed in answer["seeds"]}
    assert found == orders_of(small_plant, "GA2509%")
    assert answer["stage"] == "seed-resolve"
    assert answer["seed_count"] == len(answer["seeds"]) == answer["expansion"]["GA2509*"]
    assert answer["not_found"] == ["GA99999999"]


async def test_a_range_of_days_gives_the_lots_that_passed_the_station(
    api: httpx.AsyncClient, small_plant: Plant
) -> None:
    body = {"profile": MSD, "params": {**MONTHS, "end_date": "2025-09-30"}}
    answer = await asked(api, SEED_RESOLVE, body)
    with duckdb.connect(str(small_plant.path), read_only=True) as con:
        rows = con.execute("""
            SELECT DISTINCT trim(CONTAINERID) FROM DWH.DW_MES_LOTWIPHISTORY
            WHERE regexp_matches(upper(WORKCENTERNAME), '測試|TMTT') AND EQUIPMENTID IS NOT NULL
                AND TRACKINTIMESTAMP >= '2025-09-01' AND TRACKINTIMESTAMP < '2025-10-01'
        """).fetchall()
    assert {seed["container_id"] for seed in answer["seeds"]} == {row[0] for row in rows}
    names = [seed["container_name"] for seed in answer["seeds"]]
    assert names == sorted(names)
    assert answer["seed_count"] == len(names) > 50


async def test_a_lineage_is_told_at_once_and_again_the_same(
    api: httpx.AsyncClient, small_plant: Plant
) -> None:
    ids = list(small_plant.container_ids[500:560])
    body = {"profile": "query_tool", "container_ids": ids}
    forward = await asked(api, LINEAGE, body)
    backward = await asked(api, LINEAGE, {**body, "params": {"direction": "backward"}})
    assert (forward["direction"], backward["direction"]) == ("forward", "backward")
    assert set(ids) <= set(forward["nodes"])
    assert forward["total_nodes"] == len(forward["nodes"]) == len(forward["names"])
    assert list(backward["ancestors"]) == ids
    assert "children_map" in forward
    assert "children_map" not in backward
    assert await asked(api, LINEAGE, {**body, "container_ids": ids[::-1]}) == forward


async def test_answers_are_used_again_by_what_determines_them(
    api: httpx.AsyncClient, stack: Stack, small_plant: Plant
) -> None:
    ids = list(small_plant.container_ids[700:703])
    body = {"profile": "query_tool", "container_ids": ids, "params": {"direction": "backward"}}

    async def entries() -> int:
        async with stack.redis() as store:
            return int(await store.zcard(f"{stack.prefix}trace:cache:events"))

    first, before = await asked(api, LINEAGE, body), await entries()
    assert await asked(api, LINEAGE, body) == first
    assert await entries() == before
    assert await asked(api, LINEAGE, {**body, "params": {"direction": "forward"}}) != first
    assert await entries() == before + 1


@pytest.mark.parametrize(
    ("route", "body", "place"),
    [
        (SEED_RESOLVE, seeds(values=[]), "params.values"),
        (SEED_RESOLVE, seeds(values=["*"]), "params.values.0"),
        (SEED_RESOLVE, seeds(values=["GD26010001"]), "params.values.0"),
        (SEED_RESOLVE, seeds(resolve_type="serial_number"), "params.resolve_type"),
        (SEED_RESOLVE, {"profile": MSD, "params": {}}, "params.start_date"),
        (SEED_RESOLVE, {"profile": MSD, "params": {**MONTHS, "end_date": "2025-08-01"}}, "params.end_date"),
        (SEED_RESOLVE, {"profile": "query_tool"}, "params"),
        (LINEAGE, {"profile": "query_tool", "container_ids": [" "]}, "container_ids"),
        (LINEAGE, {"profile": "nope", "container_ids": ["a"]}, "profile"),
        (EVENTS, {"profile": MSD, "params": {**MONTHS, "end_date": "2027-11-01"}}, "params.end_date"),
        (EVENTS, {"profile": "query_tool", "seeds": {**ORDERS, "values": ["%G"]}}, "seeds.values.0"),
    ],
)
async def test_what_cannot_be_resolved_is_refused_with_its_place(
    api: httpx.AsyncClient, route: str, body: dict[str, Any], place: str
) -> None:
    problem = assert_problem(await api.post(route, json=body), 422, "INVALID_PARAMS")
    assert ".".join(map(str, problem["errors"][0]["loc"])) == place


async def test_only_json_is_served(api: httpx.AsyncClient) -> None:
    for route, body in ((SEED_RESOLVE, seeds()), (LINEAGE, question(["a"]))):
        answer = await api.post(route, json=body, headers={"Accept": "text/csv"})
        assert_problem(answer, 406, "NOT_ACCEPTABLE")
        assert_problem(await api.get(route), 405, "METHOD_NOT_ALLOWED")


# As jobs


async def test_large_stages_run_as_jobs_with_the_answer_as_their_line(
    eager: Stack, small_plant: Plant
) -> None:
    ids = list(small_plant.container_ids[500:506])
    lineage = {"profile": "query_tool", "container_ids": ids}
    async with eager.client() as api:
        small = await asked(api, LINEAGE, {**lineage, "container_ids": ids[:5]})
        accepted, seen = await as_job(api, LINEAGE, lineage)
        assert (accepted["stage"], accepted["cid_count"]) == ("lineage", 6)
        assert set(small["nodes"]) <= set(seen.extras["lineage"]["nodes"])
        assert (seen.meta["domains"], list(seen.extras)) == ([], ["lineage"])
        assert (await api.get(accepted["result_url"])).json() == seen.extras["lineage"]
        status = await status_of(api, accepted["job_id"])
        assert (status["status"], status["stage"]) == ("finished", "lineage")
        assert status["progress"]["percent"] == 100.0

        accepted, seen = await as_job(api, SEED_RESOLVE, seeds())
        assert (accepted["stage"], accepted["cid_count"]) == ("seed-resolve", None)
        assert seen.extras["seeds"]["not_found"] == ["GA99999999"]
        status = await status_of(api, accepted["job_id"])
        assert status["cid_count"] == seen.extras["seeds"]["seed_count"]
        again = await api.post(SEED_RESOLVE, json=seeds())
        assert again.json()["deduplicated"]

        days = {"profile": MSD, "params": {"start_date": "2025-09-01", "end_date": "2025-11-01"}}
        accepted, seen = await as_job(api, SEED_RESOLVE, days)
        assert seen.extras["seeds"]["seed_count"] == len(seen.extras["seeds"]["seeds"])


async def test_a_caller_may_wish_for_a_job(api: httpx.AsyncClient) -> None:
    _, seen = await as_job(api, SEED_RESOLVE, seeds(), headers=ASYNC)
    assert seen.extras["seeds"] == await asked(api, SEED_RESOLVE, seeds())


async def test_without_jobs_large_stages_are_answered_at_once(jobless: Stack, small_plant: Plant) -> None:
    ids = list(small_plant.container_ids[500:510])
    async with jobless.client() as api:
        answer = await asked(api, LINEAGE, question(ids), **ASYNC)
        assert set(ids) <= set(answer["nodes"])
        too_many = await api.post(LINEAGE, json=question(some_ids(50_001)))
        assert assert_problem(too_many, 413, "CID_LIMIT_EXCEEDED")["limit"] == 50_000
        refused = await api.post(EVENTS, json={"profile": MSD, "params": MONTHS})
        assert_problem(refused, 503, "QUEUE_UNAVAILABLE")


# All in one call


async def test_a_trace_from_seeds_resolves_walks_and_fetches(
    api: httpx.AsyncClient, small_plant: Plant
) -> None:
    body = {"profile": "query_tool", "seeds": ORDERS, "domains": ["history", "holds"]}
    accepted, seen = await as_job(api, EVENTS, body)
    assert (accepted["stage"], accepted["cid_count"]) == ("events", None)
    assert seen.types[:1] == ["meta"]
    assert [kind for kind in seen.types if kind not in {"meta", "progress"}][:3] == [
        "seeds",
        "lineage",
        "domain_start",
    ]
    resolved = {seed["container_id"] for seed in seen.extras["seeds"]["seeds"]}
    assert resolved == orders_of(small_plant, "GA2509%")
    nodes = seen.extras["lineage"]["nodes"]
    assert resolved < set(nodes)
    status = await status_of(api, accepted["job_id"])
    assert status["cid_count"] == len(nodes)
    plain = PlainPlant(small_plant.path, tuple(sorted(nodes)))
    for name in ("history", "holds"):
        check = Reconciliation(plain, name, as_of(seen.meta))
        check.feed(seen.domains[name].records)
        check.close()
    plain.close()


async def test_the_lines_of_stages_read_the_same_live_later_and_compressed(api: httpx.AsyncClient) -> None:
    body = {"profile": "query_tool_reverse", "seeds": {"resolve_type": "gd_work_order", "values": ["GD*01"]}}
    accepted, live = await as_job(api, EVENTS, {**body, "domains": ["history", "rejects"]})
    job_id = accepted["job_id"]
    plain = check_stream(await body_of(api, job_id))
    assert plain.meta["cid_count"] == plain.extras["lineage"]["total_nodes"]
    packed = check_stream(await body_of(api, job_id, zstd=True))
    assert live.extras == plain.extras == packed.extras
    assert plain.extras["lineage"]["direction"] == "backward"
    narrowed = check_stream(await body_of(api, job_id, domain="rejects"))
    assert narrowed.extras == {}
    resumed = await body_of(api, job_id, after="rejects:-1")
    assert b'"type":"lineage"' not in resumed
    page = await result_of(api, job_id, domain="history", limit=1)
    assert page["total"] == plain.domains["history"].count
    coverage = (
        await api.get(path_of(job_id, "coverage"), params={"domain": "rejects", "of": "without"})
    ).json()
    assert set(coverage["data"]) <= set(plain.extras["lineage"]["nodes"])


@pytest.mark.parametrize("direction", ["backward", "forward"])
async def test_an_analysis_in_one_call_ends_with_its_aggregation(
    api: httpx.AsyncClient, direction: str
) -> None:
    body = {"profile": MSD, "params": {**MONTHS, "direction": direction, "station": "成型"}}
    accepted, seen = await as_job(api, EVENTS, body)
    assert list(seen.extras) == ["seeds", "lineage", "aggregation"]
    lots = seen.extras["seeds"]["seed_count"]
    kpi = seen.extras["aggregation"]["kpi"]
    assert kpi["lot_count" if direction == "backward" else "detection_lot_count"] == lots > 100
    assert seen.extras["aggregation"]["lineage_complete"] is True
    assert all(seen.extras["aggregation"]["domains_complete"].values())
    assert seen.extras["lineage"]["direction"] == direction
    status = await status_of(api, accepted["job_id"])
    assert (status["stage"], status["cid_count"]) == ("aggregation", seen.extras["lineage"]["total_nodes"])
    whole = await result_of(api, accepted["job_id"])
    assert (
        whole["aggregation"]["kpi"]["lot_count" if direction == "backward" else "detection_lot_count"] == lots
    )


async def test_an_analysis_of_known_containers_takes_the_client_s_lineage_with_workers_and_without(
    api: httpx.AsyncClient, jobless: Stack
) -> None:
    params = {**MONTHS, "direction": "backward"}
    _, whole = await as_job(api, EVENTS, {"profile": MSD, "params": params})
    lineage = whole.extras["lineage"]
    seed_ids = [seed["container_id"] for seed in whole.extras["seeds"]["seeds"]]
    told = {name: lineage[name] for name in ("ancestors", "seed_roots")}
    body = {
        "profile": MSD,
        "params": params,
        "container_ids": list(lineage["nodes"]),
        "seed_container_ids": seed_ids,
        "lineage": told,
    }
    _, mine = await as_job(api, EVENTS, body)
    assert list(mine.extras) == ["aggregation"]
    assert mine.extras["aggregation"] == whole.extras["aggregation"]
    async with jobless.client() as alone:
        lines = await alone.post(EVENTS, json=body, headers={"Accept": "application/x-ndjson"})
        assert check_stream(lines.content).extras["aggregation"] == whole.extras["aggregation"]
        document = (await alone.post(EVENTS, json=body)).json()
    assert document["aggregation"]["kpi"] == json.loads(
        json.dumps(whole.extras["aggregation"]["kpi"], default=float)
    )


async def test_seeds_that_are_not_found_are_a_complete_trace_of_nothing(api: httpx.AsyncClient) -> None:
    body = {"profile": "query_tool", "seeds": {"resolve_type": "lot_id", "values": ["nobody"]}}
    accepted, seen = await as_job(api, EVENTS, body)
    assert seen.extras["seeds"]["not_found"] == ["nobody"]
    assert seen.extras["lineage"]["total_nodes"] == 0
    assert all(domain.count == 0 for domain in seen.domains.values())
    status = await status_of(api, accepted["job_id"])
    assert (status["status"], status["cid_count"]) == ("finished", 0)


async def test_values_that_stand_for_too_many_fail_their_job_with_the_reason(
    stacks: Callable[..., Stack], medium_plant: Plant
) -> None:
    stack = stacks(medium_plant, workers=1)
    body = {"profile": "query_tool", "seeds": {"resolve_type": "work_order", "values": ["GA*"]}}
    async with stack.client() as api:
        answer = await api.post(EVENTS, json=body)
        status = await ended(api, answer.json()["job_id"])
        assert (status["status"], status["error"]["code"]) == ("failed", "INVALID_PARAMS")
        assert "more than 2000" in status["error"]["message"]
        seen = check_stream(await body_of(api, status["job_id"]), expect="error")
        assert seen.types == ["meta", "error"]
        at_once = await api.post(SEED_RESOLVE, json={"profile": "query_tool", "params": body["seeds"]})
        assert_problem(at_once, 422, "INVALID_PARAMS")


async def test_a_deleted_job_leaves_nothing_of_its_stages(api: httpx.AsyncClient, stack: Stack) -> None:
    accepted, _ = await as_job(api, EVENTS, {"profile": MSD, "params": {**MONTHS, "end_date": "2025-09-10"}})
    assert (await api.delete(f"/api/trace/job/{accepted['job_id']}")).status_code == httpx.codes.OK
    async with stack.redis() as store:
        left = [key async for key in store.scan_iter(f"{stack.prefix}trace:job:{accepted['job_id']}:*")]
    assert left == []
