"""Redis that is away for a while, hangs, or comes back empty: jobs go on, or everyone is told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from tests.asking import EVENTS, ended, question, status_of, submit
from tests.chaos.acting import reached
from tests.chaos.faults import Faults
from tests.chaos.following import Follower, JobGone, flows_again
from tests.chaos.size import pick
from tests.grammar import check_stream
from tests.plain import PlainPlant
from tests.problems import assert_problem
from tests.streams import path_of
from tests.support import Plant, Stack, StackCache, Valkey, wait_until

DOMAINS = ["history", "rejects", "materials"]
AWAY_SECONDS = pick(4.0, 20.0)
ANSWER_SECONDS = pick(20, 5)  # the short form runs on machines that do much else
FLOW_SECONDS = pick(60, 30)
LEASE_SECONDS = pick(2, 15)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Redis server that nobody else uses, and that keeps its data over a restart."""
    found = Valkey(tmp_path_factory.mktemp("valkey"), durable=True)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def stack(
    chaotic: Callable[..., Stack], stack_cache: StackCache, plant: Plant, valkey: Valkey
) -> Iterator[Stack]:
    found = chaotic(plant, workers=1, trace_redis_url=valkey.url, trace_lease_seconds=LEASE_SECONDS)
    yield found
    stack_cache.retire(found)  # before its Redis


@contextlib.asynccontextmanager
async def stopped(valkey: Valkey) -> AsyncIterator[None]:
    """Redis is down inside the block, and has its data again after it."""
    valkey.part.kill()
    try:
        yield
    finally:
        valkey.restart()


@contextlib.asynccontextmanager
async def hanging(valkey: Valkey) -> AsyncIterator[None]:
    """Redis takes connections inside the block and answers nothing."""
    with valkey.part.paused():
        yield


async def answers_while_away(stack: Stack, job_id: str, ids: tuple[str, ...]) -> float:
    """Ask all kinds of things until the outage is over; how many seconds the slowest answer took."""
    until, slowest, rounds = time.monotonic() + AWAY_SECONDS, 0.0, 0
    async with stack.client() as api:

        async def ask(method: str, path: str, **options: object) -> httpx.Response:
            nonlocal slowest
            begin = time.monotonic()
            answer = await api.request(method, path, **options)  # type: ignore[arg-type]
            slowest = max(slowest, time.monotonic() - begin)
            return answer

        while time.monotonic() < until or not rounds:
            rounds += 1
            assert (await ask("GET", "/livez")).status_code == httpx.codes.OK
            assert_problem(await ask("GET", f"/api/trace/job/{job_id}"), 503, "QUEUE_UNAVAILABLE")
            assert_problem(await ask("DELETE", f"/api/trace/job/{job_id}"), 503, "QUEUE_UNAVAILABLE")
            ready = await ask("GET", "/readyz")
            assert (ready.status_code, ready.json()["checks"]["redis"]["status"]) == (503, "unavailable")
            small = question(ids[:5], domains=["history"])
            answer = await ask("POST", EVENTS, json=small, headers={"Accept": "application/x-ndjson"})
            assert answer.status_code == httpx.codes.OK
            assert set(check_stream(answer.content).domains) == {"history"}
    return slowest


@pytest.mark.parametrize("outage", [stopped, hanging])
async def test_a_job_survives_redis_being_away_and_its_reader_has_all_of_it_once(
    stack: Stack,
    valkey: Valkey,
    plant: Plant,
    plain: PlainPlant,
    faults: Faults,
    tell: Callable[[str], None],
    outage: Callable[[Valkey], contextlib.AbstractAsyncContextManager[None]],
) -> None:
    faults.set(pause_seconds=0.2)
    pids = [part.pid for part in stack.parts]
    async with stack.client() as api, asyncio.TaskGroup() as group:
        job_id = await submit(api, plant.container_ids, domains=DOMAINS)
        client = Follower(job_id, stack.urls, plain)
        reading = group.create_task(client.follow())
        await reached(api, job_id, 20)
        begin = time.monotonic()
        async with outage(valkey):
            slowest = await answers_while_away(stack, job_id, plant.container_ids)
        away = time.monotonic() - begin
        again = await flows_again(client, within=FLOW_SECONDS)
        faults.set()
        seen = await reading
        status = await status_of(api, job_id)
    assert {name: domain.count for name, domain in seen.domains.items()} == {
        name: plain.count(name) for name in DOMAINS
    }
    assert all(part.alive for part in stack.parts)
    assert [part.pid for part in stack.parts] == pids
    assert slowest < ANSWER_SECONDS
    tell(
        f"Redis {outage.__name__} for {away:.0f} s: slowest answer {slowest:.1f} s, "
        f"records after {again:.1f} s, "
        f"{len(client.cuts)} reconnects {sorted(set(client.cuts))}, attempt {status['attempt']}, "
        f"{client.received} records once"
    )


async def test_after_redis_was_lost_with_its_data_everyone_is_told_and_new_jobs_work(
    stack: Stack, valkey: Valkey, plant: Plant, faults: Faults, tell: Callable[[str], None]
) -> None:
    faults.set(pause_seconds=0.2)
    async with stack.client() as api:
        job_id = await submit(api, plant.container_ids, domains=DOMAINS)
        clients = [Follower(job_id, stack.urls) for _ in range(3)]
        reading = [asyncio.create_task(told(client)) for client in clients]
        await reached(api, job_id, 10)
        valkey.restart(empty=True)
        begin = time.monotonic()
        ends = await asyncio.gather(*reading)
        told_after = time.monotonic() - begin
        assert_problem(await api.get(f"/api/trace/job/{job_id}"), 404, "JOB_NOT_FOUND")
        assert_problem(await api.get(path_of(job_id)), 404, "JOB_NOT_FOUND")
        faults.set()
        fresh = await a_new_job(api, plant)
        works_after = time.monotonic() - begin
        assert (await ended(api, fresh))["status"] == "finished"
    assert all(part.alive for part in stack.parts)
    tell(
        f"Redis came back empty: 3 readers were told ({', '.join(sorted(set(ends)))}) "
        f"within {told_after:.1f} s, "
        f"a new job was taken after {works_after:.1f} s"
    )


async def told(client: Follower) -> str:
    """How a reader learns that its job is gone: an error line, or 404 when it comes again."""
    try:
        last = await client.to_last_line()
    except JobGone:
        return "404"
    assert last["type"] == "error", last
    return str(last["code"])


async def a_new_job(api: httpx.AsyncClient, plant: Plant) -> str:
    """Ask until a job is offered: at first no worker has announced itself to the new server."""
    taken: list[str] = []

    async def is_taken() -> bool:
        body = question(plant.container_ids[:200], domains=["history"])
        answer = await api.post(EVENTS, json=body, headers={"Prefer": "respond-async"})
        assert answer.status_code in (200, 202, 503), answer.text
        taken.extend([answer.json()["job_id"]] if answer.status_code == httpx.codes.ACCEPTED else [])
        return bool(taken)

    await wait_until(is_taken, timeout=60, message="jobs are offered again")
    return taken[0]
