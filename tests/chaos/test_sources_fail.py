"""A source that fails: what passes is tried again, what does not is counted and named, the rest arrives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.asking import ended, submit
from tests.chaos.faults import Faults, Ledger
from tests.chaos.following import Follower
from tests.chaos.size import pick, schedule
from tests.grammar import StreamChecker
from tests.plain import PlainPlant
from tests.streams import path_of
from tests.support import Plant, Stack

DOMAINS = ["history", "rejects", "materials"]
IDS = pick(400, 4000)
EVERY = 7
TIMEOUT_MS = pick(1500, 3000)
HANG_EVERY = 10
WAIT_SECONDS = pick(90, 900)


@pytest.fixture(scope="module")
def stack(chaotic: Callable[..., Stack], plant: Plant) -> Stack:
    return chaotic(plant, workers=1, db_slow_call_timeout_ms=TIMEOUT_MS, trace_duckdb_threads=1)


async def followed(stack: Stack, ids: tuple[str, ...], plain: PlainPlant) -> tuple[str, StreamChecker]:
    """Run a trace to its end and read it, each record compared with the plant."""
    async with stack.client() as api:
        job_id = await submit(api, ids, domains=DOMAINS)
        client = Follower(job_id, stack.urls, plain)
        seen = await client.follow()
        status = await ended(api, job_id, timeout=WAIT_SECONDS)
    assert status["status"] == "finished"
    assert client.received == sum(map(plain.count, DOMAINS))
    return job_id, seen


def statements(stack: Stack) -> int:
    return len(Ledger(stack.folder).entries()) // 2


async def test_a_source_that_fails_every_seventh_statement_loses_nothing(
    stack: Stack, plant: Plant, faults: Faults, tell: Callable[[str], None]
) -> None:
    ids, before = plant.container_ids[:IDS], statements(stack)
    plain = PlainPlant(plant.path, ids)
    faults.set(every=EVERY)
    _, seen = await followed(stack, ids, plain)
    plain.close()
    assert {domain.end["status"] for domain in seen.domains.values() if domain.end} == {"ok"}
    run = statements(stack) - before
    tell(f"{run} statements, about {run // EVERY} of them failed; all records once, every domain ok")


async def test_a_statement_that_hangs_is_broken_off_and_its_containers_asked_in_halves(
    stack: Stack, plant: Plant, faults: Faults, tell: Callable[[str], None]
) -> None:
    ids, before = plant.container_ids[:IDS], statements(stack)
    plain = PlainPlant(plant.path, ids)
    faults.set(hang_every=HANG_EVERY)
    _, seen = await followed(stack, ids, plain)
    plain.close()
    assert {domain.end["status"] for domain in seen.domains.values() if domain.end} == {"ok"}
    assert Ledger(stack.folder).running()[1] == 0
    run = statements(stack) - before
    assert run >= HANG_EVERY
    tell(
        f"{run} statements, each {HANG_EVERY}th hung until its time limit; all records once, every domain ok"
    )


@pytest.mark.parametrize("fault", ["slow_container", "bad_container"])
async def test_one_container_that_cannot_be_read_is_counted_and_named_and_no_other(
    stack: Stack, plant: Plant, faults: Faults, tell: Callable[[str], None], fault: str
) -> None:
    ids = plant.container_ids[: IDS // 2]
    lost = schedule(fault).choice(ids)
    plain = PlainPlant(plant.path, tuple(one for one in ids if one != lost))
    faults.set(**{fault: lost})
    job_id, seen = await followed(stack, ids, plain)
    plain.close()
    assert seen.warning is not None
    assert seen.warning["failed"] == dict.fromkeys(DOMAINS, 1)
    assert sorted(seen.warning["failed_domains"]) == sorted(DOMAINS)
    async with stack.client() as api:
        covered = (await api.get(path_of(job_id, "coverage"))).json()["domains"]
        for name in DOMAINS:
            end = seen.domains[name].end
            assert end is not None
            assert (end["status"], end["containers"]["failed"]) == ("partial", 1)
            assert covered[name] == end["containers"]
            assert end["error"]["code"] in ("SOURCE_TIMEOUT", "SOURCE_UNAVAILABLE")
            failed = await api.get(path_of(job_id, "coverage"), params={"domain": name, "of": "failed"})
            assert failed.json()["data"] == [lost]
            assert failed.json()["total"] == 1
    tell(f"{fault} among {len(ids)}: it alone is failed in {len(DOMAINS)} domains, named by the coverage")


async def test_a_job_of_which_every_statement_fails_is_failed_and_says_so(
    stack: Stack, plant: Plant, faults: Faults, tell: Callable[[str], None]
) -> None:
    """Every statement fails, though the source answers when it is asked how it is."""
    faults.set(every=1)
    async with stack.client() as api:
        job_id = await submit(api, plant.container_ids[:3], domains=["history", "rejects"])
        status = await ended(api, job_id, timeout=WAIT_SECONDS)
    assert (status["status"], status["error"]["code"]) == ("failed", "JOB_FAILED")
    assert sorted(status["failed_domains"]) == ["history", "rejects"]
    tell(f"every statement failed: the job failed after {status['elapsed_seconds']:.0f} s")
