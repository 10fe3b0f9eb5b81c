"""Rows counted at the source = records committed = records received (requirements.md, 20)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import httpx
import pytest

from tests.asking import status_of, submit
from tests.grammar import StreamChecker
from tests.plain import PlainPlant, Reconciliation, reconcile
from tests.streams import ALL_DOMAINS, Trace, as_of, path_of
from tests.support import Plant, Stack


@pytest.fixture(scope="module")
def large(stacks: Callable[..., Stack], medium_plant: Plant) -> Stack:
    """Settings as they come, but a threshold that makes a tenth of the largest trace a job."""
    return stacks(medium_plant, workers=1, trace_async_cid_threshold=1000)


@pytest.fixture(scope="module")
def plain(small_plant: Plant) -> Iterator[PlainPlant]:
    found = PlainPlant(small_plant.path, small_plant.container_ids)
    yield found
    found.close()


@pytest.fixture(scope="module")
def medium_plain(medium_plant: Plant) -> Iterator[PlainPlant]:
    found = PlainPlant(medium_plant.path, medium_plant.container_ids)
    yield found
    found.close()


async def follow(
    api: httpx.AsyncClient, job_id: str, *, take: Callable[[dict[str, Any]], None]
) -> StreamChecker:
    """Read the stream while it comes, in bounded memory."""
    checker = StreamChecker(keep=False)
    rest = b""
    async with api.stream("GET", path_of(job_id)) as response:
        async for piece in response.aiter_bytes():
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                take(checker.feed(line + b"\n"))
    assert rest == b""
    return checker.close()


async def test_source_committed_and_received_agree(
    large: Stack, medium_plant: Plant, medium_plain: PlainPlant
) -> None:
    async with large.client() as api:
        answer = await api.post(
            "/api/trace/events",
            json={
                "profile": "query_tool",
                "container_ids": medium_plant.container_ids,
                "domains": list(ALL_DOMAINS),
            },
        )
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        job_id = answer.json()["job_id"]
        received = dict.fromkeys(ALL_DOMAINS, 0)

        def take(line: dict[str, Any]) -> None:
            if line["type"] == "records":
                received[line["domain"]] += len(line["data"])

        seen = await follow(api, job_id, take=take)
        committed = (await status_of(api, job_id))["progress"]["domains"]
    source = {domain: medium_plain.count(domain) for domain in ALL_DOMAINS}
    assert source == received
    assert source == {domain: committed[domain]["records"] for domain in ALL_DOMAINS}
    assert seen.last is not None
    assert seen.last["total_records"] == sum(source.values()) > 200_000


@pytest.mark.parametrize("domain", ALL_DOMAINS)
def test_every_record_is_the_plants_to_the_last_character(
    whole: Trace, plain: PlainPlant, domain: str
) -> None:
    """All columns of all rows, in order: Chinese text, timestamps, numbers, nulls."""
    assert reconcile(plain, whole.seen.domains[domain], as_of(whole.seen.meta)) > 0


def test_chinese_text_stands_in_the_bytes_as_the_plant_has_it(whole: Trace, small_plant: Plant) -> None:
    with duckdb.connect(str(small_plant.path), read_only=True) as con:
        names = con.execute("SELECT DISTINCT trim(WORKCENTERNAME) FROM DWH.DW_MES_LOTWIPHISTORY").fetchall()
        comments = con.execute(
            "SELECT DISTINCT trim(HOLDCOMMENTS) FROM DWH.DW_MES_HOLDRELEASEHISTORY"
        ).fetchall()
    texts = [text for (text,) in names + comments if text and not text.isascii()]
    assert len(texts) > 12
    missing = [text for text in texts if json.dumps(text, ensure_ascii=False).encode() not in whole.body]
    assert not missing


def test_timestamps_stand_in_the_bytes_as_the_plant_has_them(whole: Trace, small_plant: Plant) -> None:
    with duckdb.connect(str(small_plant.path), read_only=True) as con:
        rows = con.execute(
            "SELECT strftime(TXNDATE, '%Y-%m-%dT%H:%M:%S') FROM DWH.DW_MES_LOTREJECTHISTORY"
        ).fetchall()
    assert rows
    body = b"\n".join(whole.seen.domains["rejects"].lines)
    assert all(f'"TXNDATE":"{text}"'.encode() in body for (text,) in rows)


async def test_a_running_job_delivers_the_plants_records(slow_stack: Stack, medium_plant: Plant) -> None:
    ids = medium_plant.container_ids[:300]
    plain = PlainPlant(medium_plant.path, ids)
    async with slow_stack.client() as api:
        job_id = await submit(api, ids)
        checks: dict[str, Reconciliation] = {}
        created: list[dict[str, Any]] = []

        def take(line: dict[str, Any]) -> None:
            if line["type"] == "meta":
                created.append(line)
            elif line["type"] == "records":
                name = line["domain"]
                check = checks.setdefault(name, Reconciliation(plain, name, as_of(created[0])))
                check.feed(line["data"])

        await follow(api, job_id, take=take)
    assert created[0]["live"] is True
    for check in checks.values():
        check.close()
    assert {name: check.seen for name, check in checks.items()} == {
        name: plain.count(name) for name in checks
    }
    plain.close()
