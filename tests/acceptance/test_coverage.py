"""Did I get all of them? Counts and ids of containers, by GET /job/{job_id}/coverage (requirements.md, 7)."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.asking import finished, some_ids
from tests.problems import assert_problem
from tests.streams import ALL_DOMAINS, Trace, body_of, held_job, path_of
from tests.support import Plant, Stack


async def coverage_of(api: httpx.AsyncClient, job_id: str, **params: Any) -> dict[str, Any]:
    answer = await api.get(path_of(job_id, "coverage"), params=params)
    assert answer.status_code == httpx.codes.OK, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def all_ids(
    api: httpx.AsyncClient, job_id: str, domain: str, of: str, limit: int
) -> tuple[list[str], int]:
    ids: list[str] = []
    pages = offset = total = 0
    while True:
        page = await coverage_of(api, job_id, domain=domain, of=of, offset=offset, limit=limit)
        assert (page["job_id"], page["domain"], page["offset"]) == (job_id, domain, offset)
        assert page["count"] == len(page["data"]) <= limit
        assert page["complete"] is True
        ids += page["data"]
        assert page["total"] >= len(ids)
        pages, total = pages + 1, int(page["total"])
        if page["next_offset"] is None:
            assert total == len(ids)
            return ids, pages
        offset = int(page["next_offset"])


async def test_the_counts_are_those_of_the_domains_last_lines(api: httpx.AsyncClient, whole: Trace) -> None:
    found = await coverage_of(api, whole.job_id)
    assert found["job_id"] == whole.job_id
    assert list(found["domains"]) == list(ALL_DOMAINS)
    for domain, counts in found["domains"].items():
        end = whole.seen.domains[domain].end
        assert end is not None
        assert counts == end["containers"]
        assert (
            counts["asked"] == counts["with_records"] + counts["without_records"] + counts["failed"] == 2000
        )


async def test_containers_without_records_are_named(
    api: httpx.AsyncClient, whole: Trace, small_plant: Plant
) -> None:
    for domain in ("holds", "rejects"):
        lines = whole.seen.domains[domain].lines
        seen = {record["CONTAINERID"] for line in lines for record in json.loads(line)["data"]}
        expected = [container for container in small_plant.container_ids if container not in seen]
        ids, pages = await all_ids(api, whole.job_id, domain, "without", 333)
        assert ids == expected
        assert pages == -(-len(expected) // 333)
        assert await all_ids(api, whole.job_id, domain, "failed", 50_000) == ([], 1)


async def test_unknown_containers_are_without_records_in_the_order_asked(api: httpx.AsyncClient) -> None:
    ids = some_ids(5)[::-1]
    job_id = await finished(api, ids, domains=["history"])
    page = await coverage_of(api, job_id, domain="history", of="without", offset=1, limit=2)
    assert page["data"] == ids[1:3]
    assert (page["count"], page["total"], page["next_offset"]) == (2, 5, 3)
    past = await coverage_of(api, job_id, domain="history", of="without", offset=5)
    assert (past["count"], past["data"], past["next_offset"]) == (0, [], None)


async def test_a_domain_alone_narrows_the_counts(api: httpx.AsyncClient, whole: Trace) -> None:
    assert list((await coverage_of(api, whole.job_id, domain="holds"))["domains"]) == ["holds"]


async def test_while_a_job_runs_the_counts_are_of_what_is_committed(
    slow_stack: Stack, medium_plant: Plant
) -> None:
    async with (
        held_job(slow_stack, medium_plant.container_ids, domains=["history"]) as job_id,
        slow_stack.client() as api,
    ):
        counts = (await coverage_of(api, job_id))["domains"]["history"]
        assert counts["asked"] == len(medium_plant.container_ids)
        assert 0 < counts["with_records"] < counts["asked"]
        assert counts["failed"] == 0
        page = await coverage_of(api, job_id, domain="history", of="without")
        assert page["complete"] is False
        assert page["next_offset"] == page["total"] == counts["without_records"]


@pytest.mark.parametrize(
    "query",
    ["?of=without", "?domain=history&of=with", "?domain=history&of=without&limit=0",
     "?domain=history&of=failed&limit=50001", "?domain=history&of=failed&offset=-1"],
)  # fmt: skip
async def test_a_malformed_question_is_refused(api: httpx.AsyncClient, whole: Trace, query: str) -> None:
    assert_problem(await api.get(path_of(whole.job_id, f"coverage{query}")), 422, "INVALID_PARAMS")


async def test_unknown_jobs_and_domains_are_not_found(api: httpx.AsyncClient, whole: Trace) -> None:
    assert_problem(await api.get(path_of("trace-evt-x", "coverage")), 404, "JOB_NOT_FOUND")
    answer = await api.get(path_of(whole.job_id, "coverage"), params={"domain": "nothing"})
    assert_problem(answer, 404, "DOMAIN_NOT_IN_JOB")


async def test_the_stream_of_a_job_says_the_same_when_it_is_read_again(
    api: httpx.AsyncClient, whole: Trace
) -> None:
    body = await body_of(api, whole.job_id, domain="holds")
    end = next(line for line in body.splitlines() if line.startswith(b'{"type":"domain_end"'))
    counts = (await coverage_of(api, whole.job_id, domain="holds"))["domains"]["holds"]
    assert json.loads(end)["containers"] == counts
