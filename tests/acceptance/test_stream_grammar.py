"""The stream keeps its grammar for every domain and profile, live and finished (protocol.md, 2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.asking import submit
from tests.grammar import StreamChecker, check_stream
from tests.streams import ALL_DOMAINS, Trace, body_of, traced
from tests.support import Plant, Stack
from tests.wire import whole_lines
from tracesvc.lines import LINE

QUERY_TOOL = ["history", "materials", "rejects", "holds", "jobs"]
PROFILES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("query_tool", {}, QUERY_TOOL),
    ("query_tool_reverse", {}, QUERY_TOOL),
    ("mid_section_defect", {}, ["upstream_history", "materials"]),
    ("mid_section_defect", {"direction": "backward"}, ["upstream_history", "materials"]),
    ("mid_section_defect", {"direction": "forward"}, ["upstream_history", "downstream_rejects"]),
]
Columns = dict[str, list[tuple[str, str]]]


@pytest.mark.parametrize(("profile", "params", "domains"), PROFILES)
async def test_each_profile_streams_its_domains_in_order(
    api: httpx.AsyncClient,
    small_plant: Plant,
    columns: Columns,
    profile: str,
    params: dict[str, Any],
    domains: list[str],
) -> None:
    job_id = await submit(api, small_plant.container_ids[:300], profile=profile, params=params)
    for seen in [check_stream(await body_of(api, job_id), columns=columns) for _ in ("live", "finished")]:
        assert seen.meta["job_id"] == job_id
        assert seen.meta["profile"] == profile
        assert seen.meta["domains"] == domains
        assert seen.meta["cid_count"] == 300
        assert list(seen.domains) == domains
    assert seen.meta["live"] is False


@pytest.mark.parametrize("domain", ALL_DOMAINS)
async def test_each_domain_can_be_asked_alone_with_any_profile(
    api: httpx.AsyncClient, small_plant: Plant, columns: Columns, domain: str
) -> None:
    for profile in ("query_tool", "query_tool_reverse", "mid_section_defect"):
        job_id = await submit(api, small_plant.container_ids[:400], profile=profile, domains=[domain])
        seen = check_stream(await body_of(api, job_id), columns=columns)
        assert list(seen.domains) == [domain]
        assert seen.domains[domain].count > 0


async def test_a_stream_of_a_running_job_keeps_the_grammar_and_shows_progress(
    slow_stack: Stack, medium_plant: Plant, columns: Columns
) -> None:
    async with slow_stack.client() as api:
        job_id = await submit(api, medium_plant.container_ids[:300], domains=list(ALL_DOMAINS))
        seen = check_stream(await body_of(api, job_id), columns=columns)
        after = check_stream(await body_of(api, job_id), columns=columns)
    assert seen.meta["live"] is True
    assert after.meta["live"] is False
    assert seen.progress, "no progress line in a live stream"
    shares = [line["domains"][domain]["batches_done"] for line in seen.progress for domain in line["domains"]]
    assert any(shares)
    assert records(seen) == records(after)


def records(seen: StreamChecker) -> dict[str, list[bytes]]:
    return {name: domain.lines for name, domain in seen.domains.items()}


async def test_every_line_is_valid_against_its_model(whole: Trace) -> None:
    for line in whole_lines(whole.body):
        LINE.validate_json(line)


async def test_lines_are_filled_to_the_batch_size(whole: Trace) -> None:
    """Units come uneven; only at the end of a unit may a line be short."""
    size = whole.seen.meta["batch_size"]
    assert size == 200
    history = whole.seen.domains["history"]
    assert history.batches <= history.count / size * 2 + 10


async def test_the_headers_keep_caches_and_proxies_away(stack: Stack, whole: Trace) -> None:
    async with stack.client() as api, api.stream("GET", f"/api/trace/job/{whole.job_id}/stream") as answer:
        assert answer.headers["content-type"].split(";")[0] == "application/x-ndjson"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        assert "accept-encoding" in answer.headers["vary"].lower()


async def test_containers_without_records_and_unknown_ones_are_accounted_for(
    api: httpx.AsyncClient, small_plant: Plant
) -> None:
    known = list(small_plant.container_ids[:200])
    unknown = [f"ffffffff{number:08x}" for number in range(50)]
    trace = await traced(api, known + unknown, domains=["history", "jobs"])
    for seen in trace.seen.domains.values():
        assert seen.end is not None
        with_records = {record["CONTAINERID"] for record in seen.records}
        assert seen.end["containers"] == {
            "asked": 250,
            "with_records": len(with_records),
            "without_records": 250 - len(with_records),
            "failed": 0,
        }


async def test_a_trace_without_any_record_is_complete(api: httpx.AsyncClient) -> None:
    trace = await traced(api, [f"ffffffff{number:08x}" for number in range(150)])
    assert trace.seen.last is not None
    assert trace.seen.last["total_records"] == 0
    assert [domain.batches for domain in trace.seen.domains.values()] == [0] * 5


@pytest.fixture(scope="module")
def tiny_stack(stacks: Callable[..., Stack], tiny_plant: Plant) -> Stack:
    return stacks(tiny_plant, trace_stream_batch_size=1)


async def test_one_record_a_line_is_a_stream_too(
    tiny_stack: Stack, tiny_plant: Plant, columns: Columns
) -> None:
    async with tiny_stack.client() as api:
        trace = await traced(api, tiny_plant.container_ids, domains=list(ALL_DOMAINS))
    check_stream(trace.body, columns=columns)
    for seen in trace.seen.domains.values():
        assert seen.batches == seen.count > 0
