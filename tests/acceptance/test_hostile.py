"""Hostile and malformed requests: never a 5xx, never a hang, nothing changed, the source not touched."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx
import pytest

from tests import hostile
from tests.asking import EVENTS, finished, question
from tests.hostile import VALID, Shot
from tests.problems import assert_problem, check_problem
from tests.support import Plant, Stack, wait_until
from tracesvc.demo.tiny import make_tiny_plant

MIB = 1024 * 1024
SECONDS = 15


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], tiny_plant: Plant) -> Stack:
    return stacks(tiny_plant, workers=1, trace_caller_max_jobs=1000)


@pytest.fixture(scope="module")
def sourceless(
    stacks: Callable[..., Stack], tiny_plant: Plant, tmp_path_factory: pytest.TempPathFactory
) -> Stack:
    """The plant's files are gone once it was opened: whatever asks the source is 503.

    Without workers, and with a limit of ten containers.
    """
    folder = tmp_path_factory.mktemp("hostile") / "plant"
    make_tiny_plant(folder)
    found = stacks(
        Plant(folder, tiny_plant.container_ids),
        workers=0,
        trace_async_cid_threshold=5,
        trace_events_cid_limit=10,
    )
    httpx.post(found.url + EVENTS, json=question(tiny_plant.container_ids[:5])).raise_for_status()
    for file in folder.iterdir():
        file.unlink()
    return found


def fire(port: int, shots: Iterable[Shot]) -> Iterator[tuple[Shot, int, dict[str, str], bytes]]:
    """Send each over a connection of its own and read the answer."""
    for shot in shots:
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent
                connection.sendall(shot.data)
            answer = http.client.HTTPResponse(connection, method=shot.data.split(b" ", 1)[0].decode())
            try:
                answer.begin()
                body = answer.read()
            except (http.client.HTTPException, OSError) as error:
                raise AssertionError(f"no answer to: {shot.name}: {error!r}") from error
            headers = {name.lower(): value for name, value in answer.getheaders()}
        yield shot, answer.status, headers, body


def judge(answers: Iterable[tuple[Shot, int, dict[str, str], bytes]]) -> int:
    """No 5xx; what is malformed is refused, as a problem. How many there were."""
    count, wrong = 0, []
    for shot, status, headers, body in answers:
        count += 1
        if status >= 500 or (shot.refused and not 400 <= status < 500):
            wrong.append(f"{shot.name}: {status} {body[:200]!r}")
        elif status >= 400 and body and headers.get("content-type", "").startswith("application/"):
            check_problem(status, headers, body)
    assert not wrong, "\n".join(wrong)
    return count


async def answer_of(api: httpx.AsyncClient, plant: Plant) -> dict[str, Any]:
    """What the plant holds, but for the hours of what is still on hold."""
    found: dict[str, Any] = (await api.post(EVENTS, json=question(plant.container_ids))).json()
    for record in found["results"]["holds"]["data"]:
        record.pop("HOLD_HOURS")
    return found


async def test_the_source_is_really_gone(sourceless: Stack) -> None:
    async with sourceless.client() as api:
        assert_problem(await api.post(EVENTS, json=question(["a"])), 503, "SOURCE_UNAVAILABLE")


@pytest.mark.parametrize("shots", [hostile.bad_json, hostile.bad_fields, hostile.bad_types])
async def test_a_malformed_question_is_refused_without_touching_the_source(
    sourceless: Stack, shots: Callable[[], Iterator[Shot]]
) -> None:
    count = judge(fire(sourceless.ports[0], shots()))
    assert count >= 10


async def test_too_many_containers_are_refused_without_touching_the_source(sourceless: Stack) -> None:
    async with sourceless.client() as api:
        answer = await api.post(EVENTS, json=question([str(number) for number in range(11)]))
        problem = assert_problem(answer, 413, "CID_LIMIT_EXCEEDED")
        assert (problem["cid_count"], problem["limit"]) == (11, 10)


async def test_what_is_not_acceptable_is_refused_without_touching_the_source(sourceless: Stack) -> None:
    async with sourceless.client() as api:
        answer = await api.post(EVENTS, json=question(["a"]), headers={"Accept": "text/html"})
        assert_problem(answer, 406, "NOT_ACCEPTABLE")


async def test_hostile_values_and_headers_change_nothing(
    stack: Stack, api: httpx.AsyncClient, tiny_plant: Plant
) -> None:
    before = await answer_of(api, tiny_plant)
    assert judge(fire(stack.ports[0], hostile.odd_headers())) >= 80
    assert await answer_of(api, tiny_plant) == before


async def test_an_id_is_never_read_as_a_pattern_or_as_sql(api: httpx.AsyncClient) -> None:
    for value in hostile.SQL:
        answer = await api.post(EVENTS, json=question([value]))
        assert answer.status_code == 200
        results = answer.json()["results"]
        assert [found["count"] for found in results.values()] == [0] * len(results)


async def test_impossible_reads_are_refused(stack: Stack, api: httpx.AsyncClient, tiny_plant: Plant) -> None:
    job_id = await finished(api, tiny_plant.container_ids, domains=["history"])
    assert judge(fire(stack.ports[0], hostile.bad_reads(job_id))) >= 140
    assert judge(fire(stack.ports[0], hostile.odd_reads(job_id))) >= 40
    assert (await api.get(f"/api/trace/job/{job_id}")).json()["status"] == "finished"


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_questions_with_bytes_changed_at_random_never_break_it(stack: Stack, seed: int) -> None:
    assert judge(fire(stack.ports[0], hostile.mutations(seed, 70))) == 70


async def test_the_same_job_with_hostile_ids_is_as_safe(api: httpx.AsyncClient) -> None:
    job_id = await finished(api, hostile.SQL)
    lines = [
        json.loads(line) for line in (await api.get(f"/api/trace/job/{job_id}/stream")).content.splitlines()
    ]
    assert (lines[-1]["type"], lines[-1]["total_records"]) == ("complete", 0)
    ends = [line["containers"] for line in lines if line["type"] == "domain_end"]
    assert {end["without_records"] for end in ends} == {len(set(hostile.SQL))}


# Bodies over the limit


@pytest.fixture(scope="module")
def narrow(stacks: Callable[..., Stack], tiny_plant: Plant) -> Stack:
    """Bodies of at most 10,000 bytes."""
    return stacks(tiny_plant, workers=0, trace_max_body_bytes=10_000)


@pytest.mark.parametrize("chunk", [0, 1, 700, 65_536])
@pytest.mark.parametrize("size", [10_001, 150_000])
async def test_a_body_over_the_limit_is_refused_however_it_comes(
    narrow: Stack, size: int, chunk: int
) -> None:
    body = VALID.ljust(size)
    shot = Shot(
        "large",
        hostile.request(b"POST", hostile.EVENTS, body, [hostile.JSON_TYPE], chunk=chunk),
        refused=True,
    )
    for _, status, headers, answer in fire(narrow.ports[0], [shot]):
        assert status == 413
        assert check_problem(status, headers, answer)["code"] == "BODY_TOO_LARGE"


async def test_a_declared_length_over_the_limit_is_refused_before_the_body_comes(narrow: Stack) -> None:
    head = hostile.request(
        b"POST", hostile.EVENTS, headers=[hostile.JSON_TYPE, (b"Content-Length", b"99999999999")]
    )
    for _, status, headers, answer in fire(narrow.ports[0], [Shot("announced", head, refused=True)]):
        assert status == 413
        assert check_problem(status, headers, answer)["code"] == "BODY_TOO_LARGE"


@pytest.mark.parametrize("target", [b"/api/trace/job/x", b"/api/trace/jobs", b"/api/trace/nothing"])
async def test_no_route_swallows_a_large_body(narrow: Stack, target: bytes) -> None:
    shot = Shot("large", hostile.request(b"DELETE", target, b"x" * 200_000, chunk=4_096), refused=True)
    assert judge(fire(narrow.ports[0], [shot])) == 1


async def test_a_body_without_an_end_is_refused_at_the_limit(narrow: Stack) -> None:
    head = hostile.request(
        b"POST", hostile.EVENTS, headers=[hostile.JSON_TYPE, (b"Transfer-Encoding", b"chunked")]
    )
    endless = (
        head
        + b"1000\r\n"
        + b" " * 4096
        + b"\r\n"
        + b"1000\r\n"
        + b" " * 4096
        + b"\r\n"
        + b"1000\r\n"
        + b" " * 4096
    )
    for _, status, _, _ in fire(narrow.ports[0], [Shot("endless", endless, refused=True)]):
        assert status == 413


# Cost


@pytest.mark.parametrize(
    "body",
    [
        b'{"profile":"query_tool","container_ids":[' + b"0," * 2_000_000 + b"0]}",
        VALID[:-1] + b',"seed_container_ids":[' + b"0," * 2_000_000 + b"0]}",
        VALID[:-1] + b"".join(b',"%d":0' % number for number in range(300_000)) + b"}",
        VALID[:-1] + b',"params":{' + b",".join(b'"%d":0' % number for number in range(300_000)) + b"}}",
        b'{"profile":"query_tool","container_ids":["a"],"lineage":{"ancestors":{'
        + b",".join(b'"%d":0' % number for number in range(300_000))
        + b"}}}",
    ],
    ids=["ids", "seed ids", "fields", "params", "ancestors"],
)
async def test_a_body_full_of_faults_costs_little_memory_and_time(sourceless: Stack, body: bytes) -> None:
    part = sourceless.apis[0]
    before = part.rss
    started = time.monotonic()
    async with sourceless.client() as api:
        answer = await api.post(EVENTS, content=body, headers={"Content-Type": "application/json"})
        assert_problem(answer, 422, "INVALID_PARAMS")
    assert time.monotonic() - started < 3
    assert part.rss - before < 100 * MIB


async def test_others_are_served_while_a_hostile_client_holds_connections(
    stack: Stack, api: httpx.AsyncClient
) -> None:
    held = [socket.create_connection(("127.0.0.1", stack.ports[0])) for _ in range(50)]
    try:
        for connection in held:
            connection.sendall(
                b"POST /api/trace/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            )
            connection.sendall(b'Content-Length: 1000\r\n\r\n{"profile":')
        started = time.monotonic()
        assert (await api.post(EVENTS, json=question(["a"]))).status_code == 200
        assert time.monotonic() - started < 5
    finally:
        for connection in held:
            connection.close()
    await wait_until(lambda: stack.apis[0].alive, timeout=1)
    assert (await api.post(EVENTS, json=question(["a"]))).status_code == 200


async def test_after_all_this_every_process_is_alive(stack: Stack, sourceless: Stack, narrow: Stack) -> None:
    for found in (stack, sourceless, narrow):
        assert all(part.alive for part in found.parts)
        assert "Traceback" not in "".join(part.log.read_text("utf-8", "replace") for part in found.parts)
