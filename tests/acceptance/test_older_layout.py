"""A result left under one key by the older layout reads as a finished job (protocol.md, 2, rule 9)."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import redis.asyncio

from tests.grammar import StreamChecker, check_stream
from tests.streams import Trace, body_of, path_of, result_of
from tests.support import Stack
from tests.wire import whole_lines
from tracesvc.lines import LINE

DOMAINS = ["history", "rejects", "holds"]
Columns = dict[str, list[tuple[str, str]]]


@dataclass(frozen=True)
class Older:
    job_id: str
    document: dict[str, Any]


async def leave(store: redis.asyncio.Redis, stack: Stack, text: str) -> str:
    job_id = f"trace-evt-{secrets.token_hex(16)}"
    await store.set(stack.key(job_id, "result"), text.encode(), ex=600)
    return job_id


@pytest.fixture(params=["compact", "spaced"])
async def older(
    request: pytest.FixtureRequest, stack: Stack, whole: Trace, store: redis.asyncio.Redis
) -> AsyncIterator[Older]:
    """Records of a real trace as the older service wrote them: plain UTF-8, with or without white space."""
    results = {}
    for name in DOMAINS:
        records = [
            record for line in whole.seen.domains[name].lines[:6] for record in json.loads(line)["data"]
        ]
        results[name] = {"data": records, "count": len(records), "total": len(records)}
    results["materials"] = {"data": [], "count": 0, "total": 0}
    document: dict[str, Any] = {
        "stage": "events",
        "results": results,
        "aggregation": None,
        "failed_domains": [],
        "code": None,
    }
    style: dict[str, Any] = {"separators": (",", ":")} if request.param == "compact" else {"indent": 2}
    job_id = await leave(store, stack, json.dumps(document, ensure_ascii=False, **style))
    yield Older(job_id, document)
    await store.delete(stack.key(job_id, "result"))


async def test_its_status_is_finished(api: httpx.AsyncClient, older: Older) -> None:
    status = (await api.get(f"/api/trace/job/{older.job_id}")).json()
    assert (status["status"], status["attempt"], status["cid_count"]) == ("finished", 1, None)
    assert status["domains"] == list(older.document["results"])


async def test_it_is_streamed_by_the_same_grammar(
    api: httpx.AsyncClient, older: Older, columns: Columns
) -> None:
    body = await body_of(api, older.job_id)
    seen = check_stream(body, columns=columns, older=True)
    assert seen.meta["cid_count"] is None
    for line in whole_lines(body):
        LINE.validate_json(line)
    for name, result in older.document["results"].items():
        records = [record for line in seen.domains[name].lines for record in json.loads(line)["data"]]
        assert records == result["data"]
    assert all(domain.batches == -(-domain.count // 200) for domain in seen.domains.values())


async def test_zstd_and_identity_are_equal(api: httpx.AsyncClient, older: Older) -> None:
    assert await body_of(api, older.job_id, zstd=True) == await body_of(api, older.job_id)


async def test_its_stream_can_be_resumed_and_narrowed(api: httpx.AsyncClient, older: Older) -> None:
    whole = check_stream(await body_of(api, older.job_id), older=True)
    rest = await body_of(api, older.job_id, after="rejects:0")
    seen = StreamChecker(resumes=whole, older=True).feed_all(whole_lines(rest)).close()
    assert seen.domains["rejects"].lines == whole.domains["rejects"].lines
    narrow = check_stream(await body_of(api, older.job_id, domain="holds"), older=True)
    assert narrow.domains["holds"].lines == whole.domains["holds"].lines


@pytest.mark.parametrize(
    ("offset", "limit"), [(0, 1), (0, 50_000), (199, 2), (200, 1), (201, 5000), (10**9, 7)]
)
async def test_it_is_paged(api: httpx.AsyncClient, older: Older, offset: int, limit: int) -> None:
    records = older.document["results"]["history"]["data"]
    answer = await api.get(
        path_of(older.job_id, "result"), params={"domain": "history", "offset": offset, "limit": limit}
    )
    page = answer.json()
    assert page["data"] == records[offset : offset + limit]
    assert (page["total"], page["complete"]) == (len(records), True)


async def test_its_whole_result_is_what_was_left(api: httpx.AsyncClient, older: Older) -> None:
    answer = await api.get(path_of(older.job_id, "result"))
    assert answer.json() == older.document


async def test_what_is_no_result_is_an_error_and_not_a_crash(
    api: httpx.AsyncClient, stack: Stack, store: redis.asyncio.Redis
) -> None:
    whole = json.dumps({"stage": "events", "results": {"history": {"data": [], "count": 0, "total": 0}}})
    for text in ("", "no json", whole[:40], "[]"):
        job_id = await leave(store, stack, text)
        body = (await api.get(path_of(job_id))).content
        assert b"CHUNK_CORRUPT" in body, (text, body)
        await store.delete(stack.key(job_id, "result"))


async def test_an_older_result_can_be_deleted(
    api: httpx.AsyncClient, stack: Stack, older: Older, store: redis.asyncio.Redis
) -> None:
    await result_of(api, older.job_id, domain="history")
    answer = await api.delete(f"/api/trace/job/{older.job_id}")
    assert (answer.status_code, answer.json()["status"]) == (200, "finished")
    assert not await store.exists(stack.key(older.job_id, "result"))
    assert (await api.get(f"/api/trace/job/{older.job_id}")).status_code == httpx.codes.NOT_FOUND
