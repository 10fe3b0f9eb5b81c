"""The database slots that all worker processes share, and jobs whose workers die again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.asking import ended, finished, status_of, submit
from tests.chaos.acting import ready, restarting
from tests.chaos.faults import Faults, Ledger
from tests.chaos.size import pick
from tests.grammar import check_stream
from tests.plain import PlainPlant
from tests.streams import body_of
from tests.support import Part, Plant, Stack, wait_until

SLOTS = 2
WORKERS = pick(2, 3)
JOBS = pick(4, 12)
IDS = pick(200, 1000)
ATTEMPTS = 2
LEASE_SECONDS = 2
DOMAINS = ["history", "rejects", "materials"]


@pytest.fixture(scope="module")
def stack(chaotic: Callable[..., Stack], plant: Plant) -> Stack:
    return chaotic(
        plant,
        workers=WORKERS,
        trace_lease_seconds=LEASE_SECONDS,
        trace_worker_max_jobs=JOBS,
        trace_job_max_attempts=ATTEMPTS,
        db_slow_max_concurrent=SLOTS,
    )


async def counts(stack: Stack, job_id: str) -> dict[str, int]:
    async with stack.client() as api:
        domains = (await status_of(api, job_id))["progress"]["domains"]
    return {name: domain["records"] for name, domain in domains.items()}


async def test_no_more_statements_run_than_there_are_slots_and_a_dead_workers_come_back(
    stack: Stack, plant: Plant, faults: Faults, tell: Callable[[str], None]
) -> None:
    faults.set(pause_seconds=0.1)
    ledger = Ledger(stack.folder)
    async with stack.client() as api:
        shares = [plant.container_ids[number * 20 :][:IDS] for number in range(JOBS)]
        jobs = [await submit(api, ids, domains=DOMAINS) for ids in shares]
        await wait_until(lambda: ledger.running()[0] >= SLOTS, timeout=60, message="statements run together")
        victim = await one_that_reads(stack, ledger)
        death = time.monotonic_ns()
        deaths = {victim.pid: death}
        victim.kill()
        victim.restart()
        statuses = [await ended(api, job_id, timeout=pick(90, 600)) for job_id in jobs]
    later = time.monotonic_ns()
    assert {status["status"] for status in statuses} == {"finished"}
    for job_id, ids in zip(jobs, shares, strict=True):
        plain = PlainPlant(plant.path, tuple(ids))
        assert await counts(stack, job_id) == {name: plain.count(name) for name in DOMAINS}
        plain.close()
    most, left = ledger.running(deaths=deaths)
    again, _ = ledger.running(since=death + LEASE_SECONDS * 2 * 10**9, deaths=deaths)
    assert (most, left) == (SLOTS, 0)
    assert again == SLOTS, "the dead worker's slots are given back"
    tell(
        f"{JOBS} jobs on {WORKERS} workers with {SLOTS} slots: at most {most} statements at once, "
        f"one worker killed, {again} again after it, in {(later - death) / 1e9:.0f} s"
    )


async def one_that_reads(stack: Stack, ledger: Ledger) -> Part:
    """A worker with a statement under way."""
    found: list[Part] = []

    def reads() -> bool:
        found[:] = [part for part in stack.workers if part.pid in ledger.readers()]
        return bool(found)

    await wait_until(reads, message="a worker reads")
    return found[0]


async def test_a_job_that_kills_every_worker_ends_as_failed_and_keeps_what_it_has(
    stack: Stack, plant: Plant, faults: Faults, tell: Callable[[str], None]
) -> None:
    await ready(stack, workers=WORKERS)
    ids = plant.container_ids[:IDS]
    faults.set(deadly_container=ids[IDS // 2], pause_seconds=0.05)
    async with stack.client() as api, restarting(stack) as dead:
        job_id = await submit(api, ids, domains=DOMAINS)
        status = await ended(api, job_id, timeout=90)
        body = await body_of(api, job_id)
        await asyncio.sleep(0)
        faults.set()
        await ready(stack, workers=WORKERS)
        await finished(api, ids, domains=["history"])
    assert (status["status"], status["error"]["code"]) == ("failed", "WORKER_LOST")
    assert status["attempt"] == ATTEMPTS == len(dead)
    seen = check_stream(body, expect="error")
    assert seen.last is not None
    assert seen.last["code"] == "WORKER_LOST"
    received = sum(domain.count for domain in seen.domains.values())
    assert received == status["progress"]["records"] > 0
    tell(f"{len(dead)} workers died of the job; it ended with WORKER_LOST and {received} records")
