"""A small trace is answered in the response itself: as a stream or as one document (protocol.md, 1)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest

from tests.asking import EVENTS, question
from tests.grammar import check_stream
from tests.plain import PlainPlant, reconcile
from tests.streams import ALL_DOMAINS, as_of, exact
from tests.support import Plant, Stack
from tracesvc.lines import LINE

NDJSON = {"Accept": "application/x-ndjson"}
JSON = {"Accept": "application/json"}
Columns = dict[str, list[tuple[str, str]]]


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], small_plant: Plant) -> Stack:
    """No worker at all: what is answered at once needs none."""
    return stacks(small_plant, workers=0, trace_stream_batch_size=500)


async def test_the_stream_keeps_the_grammar_and_has_no_job(
    api: httpx.AsyncClient, small_plant: Plant, columns: Columns
) -> None:
    body = question(small_plant.container_ids, domains=list(ALL_DOMAINS))
    answer = await api.post(EVENTS, json=body, headers=NDJSON)
    assert answer.status_code == httpx.codes.OK, answer.text[:500]
    assert answer.headers["content-type"].split(";")[0] == "application/x-ndjson"
    seen = check_stream(answer.content, columns=columns)
    assert seen.meta["job_id"] is None
    assert seen.meta["cid_count"] == len(small_plant.container_ids)
    for line in answer.content.splitlines():
        LINE.validate_json(line)


async def test_the_stream_has_the_plants_records(api: httpx.AsyncClient, small_plant: Plant) -> None:
    ids = small_plant.container_ids[:700]
    answer = await api.post(EVENTS, json=question(ids, domains=list(ALL_DOMAINS)), headers=NDJSON)
    seen = check_stream(answer.content)
    plain = PlainPlant(small_plant.path, ids)
    for domain in seen.domains.values():
        assert reconcile(plain, domain, as_of(seen.meta)) > 0
    plain.close()


async def test_the_document_holds_what_the_stream_holds(api: httpx.AsyncClient, small_plant: Plant) -> None:
    domains = [name for name in ALL_DOMAINS if name != "holds"]  # open holds grow with the clock
    body = question(small_plant.container_ids[:700], domains=domains)
    stream = check_stream((await api.post(EVENTS, json=body, headers=NDJSON)).content)
    answer = await api.post(EVENTS, json=body, headers=JSON)
    assert answer.headers["content-type"].split(";")[0] == "application/json"
    document = exact(answer.content)
    results = document.pop("results")
    assert document == {"stage": "events", "aggregation": None, "failed_domains": [], "code": None}
    for name, seen in stream.domains.items():
        assert results[name] == {"data": seen.records, "count": seen.count, "total": seen.count}


async def test_an_analysis_answered_at_once_streams_its_domains(
    api: httpx.AsyncClient, small_plant: Plant, columns: Columns
) -> None:
    body = question(
        small_plant.container_ids[:50], profile="mid_section_defect", params={"direction": "forward"}
    )
    seen = check_stream((await api.post(EVENTS, json=body, headers=NDJSON)).content, columns=columns)
    assert list(seen.domains) == ["upstream_history", "downstream_rejects"]


@pytest.mark.parametrize("accept", ["*/*", "application/*", "application/json, application/x-ndjson;q=0.9"])
async def test_one_document_is_what_most_clients_get(
    api: httpx.AsyncClient, small_plant: Plant, accept: str
) -> None:
    answer = await api.post(EVENTS, json=question(small_plant.container_ids[:3]), headers={"Accept": accept})
    assert answer.headers["content-type"].split(";")[0] == "application/json"


async def test_clients_that_leave_early_free_the_source(
    api: httpx.AsyncClient, stack: Stack, small_plant: Plant
) -> None:
    """More of them than statements may run at once, before their answer begins and in its middle."""
    body = json.dumps(question(small_plant.container_ids, domains=list(ALL_DOMAINS))).encode()
    head = (
        f"POST {EVENTS} HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
        f"Accept: application/x-ndjson\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    for number in range(16):
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.ports[0])
        writer.write(head.encode() + body)
        await writer.drain()
        if number % 2:
            await reader.read(1000)
        writer.transport.abort()
    answer = await api.post(EVENTS, json=question(small_plant.container_ids[:50]), headers=NDJSON)
    check_stream(answer.content)
