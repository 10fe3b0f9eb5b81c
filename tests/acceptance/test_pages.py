"""Pages and the whole result hold what the stream holds (protocol.md, 3)."""

from __future__ import annotations

import httpx
import pytest

from tests.asking import question
from tests.grammar import DomainSeen
from tests.streams import ALL_DOMAINS, Trace, body_of, path_of, raw_body, result_of
from tests.support import Plant

LARGEST = 50_000


def edges(seen: DomainSeen) -> list[int]:
    """Offsets at which a page may go wrong: the ends, and around the edges of the first and last chunks."""
    cuts = [*seen.offsets[1:3], *seen.offsets[-2:]]
    around = {cut + step for cut in cuts for step in (-1, 0, 1)}
    ends = {0, 1, seen.count - 1, seen.count, seen.count + 1, seen.count + 10**12}
    return sorted(offset for offset in around | ends if offset >= 0)


@pytest.mark.parametrize("limit", [1, 7, 199, 200, 201, LARGEST])
@pytest.mark.parametrize("domain", ["history", "rejects", "jobs"])
async def test_a_page_holds_the_streams_records_at_every_boundary(
    api: httpx.AsyncClient, whole: Trace, domain: str, limit: int
) -> None:
    seen = whole.seen.domains[domain]
    for offset in edges(seen):
        page = await result_of(api, whole.job_id, domain=domain, offset=offset, limit=limit)
        wanted = seen.records[offset : offset + limit]
        assert page.pop("data") == wanted, f"offset {offset}"
        following = offset + len(wanted)
        assert page == {
            "job_id": whole.job_id,
            "domain": domain,
            "offset": offset,
            "limit": limit,
            "count": len(wanted),
            "total": seen.count,
            "complete": True,
            "next_offset": following if following < seen.count else None,
        }


@pytest.mark.parametrize("domain", ALL_DOMAINS)
async def test_page_after_page_is_the_whole_domain(api: httpx.AsyncClient, whole: Trace, domain: str) -> None:
    records: list[object] = []
    offset: int | None = 0
    while offset is not None:
        page = await result_of(api, whole.job_id, domain=domain, offset=offset, limit=3999)
        records += page["data"]
        offset = page["next_offset"]
    assert records == whole.seen.domains[domain].records


async def test_a_page_is_five_thousand_records_from_the_start_unless_told(
    api: httpx.AsyncClient, whole: Trace
) -> None:
    page = await result_of(api, whole.job_id, domain="history")
    assert (page["offset"], page["limit"], page["count"], page["next_offset"]) == (0, 5000, 5000, 5000)
    assert page["data"] == whole.seen.domains["history"].records[:5000]


async def test_a_page_has_the_records_bytes_as_the_stream_has_them(
    api: httpx.AsyncClient, whole: Trace
) -> None:
    seen = whole.seen.domains["materials"]
    answer = await api.get(path_of(whole.job_id, "result"), params={"domain": "materials", "limit": 500})
    rows = seen.lines[0].partition(b'"data":[')[2].removesuffix(b"]}")
    assert rows in answer.content


@pytest.mark.parametrize(
    "wrong",
    [{"offset": -1}, {"limit": 0}, {"limit": LARGEST + 1}, {"limit": -5}, {"offset": "x"}, {"limit": "1.5"}],
)
async def test_a_page_out_of_bounds_is_refused(
    api: httpx.AsyncClient, whole: Trace, wrong: dict[str, int | str]
) -> None:
    answer = await api.get(path_of(whole.job_id, "result"), params={"domain": "history", **wrong})
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_PARAMS")


async def test_a_page_of_a_domain_that_was_not_asked_is_not_found(
    api: httpx.AsyncClient, whole: Trace
) -> None:
    answer = await api.get(path_of(whole.job_id, "result"), params={"domain": "weather"})
    assert (answer.status_code, answer.json()["code"]) == (404, "DOMAIN_NOT_IN_JOB")


async def test_the_whole_result_is_the_stream_as_one_document(api: httpx.AsyncClient, whole: Trace) -> None:
    result = await result_of(api, whole.job_id)
    domains = result.pop("results")
    assert list(domains) == list(ALL_DOMAINS)
    for name, seen in whole.seen.domains.items():
        assert domains[name]["data"] == seen.records
        assert domains[name]["count"] == domains[name]["total"] == seen.count
    assert result == {"stage": "events", "aggregation": None, "failed_domains": [], "code": None}


async def test_the_document_of_a_small_question_is_the_jobs(
    api: httpx.AsyncClient, small_plant: Plant
) -> None:
    """Answered at once or by a worker: the same question has the same records."""
    ids = small_plant.container_ids[100:150]
    domains = [name for name in ALL_DOMAINS if name != "holds"]  # open holds grow with the clock
    body = question(ids, domains=domains)
    at_once = await api.post("/api/trace/events", json=body)
    assert at_once.status_code == httpx.codes.OK, at_once.text[:500]
    submitted = await api.post("/api/trace/events", json=body, headers={"Prefer": "respond-async"})
    job_id = submitted.json()["job_id"]
    await body_of(api, job_id)
    stored = await api.get(path_of(job_id, "result"))
    assert at_once.json() == stored.json()


async def test_a_page_comes_whole_with_and_without_compression(api: httpx.AsyncClient, whole: Trace) -> None:
    bodies = []
    for encoding in ("identity", "zstd", "gzip"):
        headers = {"Accept-Encoding": encoding}
        answer = await api.get(path_of(whole.job_id, "result"), params={"domain": "holds"}, headers=headers)
        bodies.append(answer.content)
    assert bodies[0] == bodies[1] == bodies[2]
    async with api.stream("GET", path_of(whole.job_id, "result"), params={"domain": "holds"}) as response:
        assert await raw_body(response)
