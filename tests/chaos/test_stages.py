"""Workers that die between and within the stages of a job: what was done stays done, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import httpx
import pytest

from tests.asking import ENDED, EVENTS, status_of
from tests.chaos.acting import holder_of, ready
from tests.chaos.faults import Faults
from tests.chaos.following import Follower
from tests.chaos.size import pick
from tests.grammar import StreamChecker, check_stream
from tests.plain import PlainPlant, Reconciliation
from tests.streams import as_of, body_of
from tests.support import Plant, Stack, wait_until

LEASE_SECONDS: Final = pick(2, 15)
PAUSE_SECONDS: Final = 0.2
STAGES: Final = ("seed-resolve", "lineage", "events", "aggregation")
ANALYSIS: Final = {
    "profile": "mid_section_defect",
    "params": {"start_date": "2025-09-01", "end_date": "2025-09-20", "station": "測試"},
}


@pytest.fixture(scope="module")
def stack(chaotic: Callable[..., Stack], small_plant: Plant) -> Stack:
    return chaotic(small_plant, workers=2, trace_lease_seconds=LEASE_SECONDS, trace_unit_cids=50)


async def asked(api: httpx.AsyncClient) -> str:
    answer = await api.post(EVENTS, json=ANALYSIS, headers={"Cache-Control": "no-cache"})
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    return str(answer.json()["job_id"])


async def at_stage(api: httpx.AsyncClient, job_id: str, stage: str) -> bool:
    """Wait until the job is so far; whether it still runs then."""
    last: dict[str, object] = {}

    async def is_there() -> bool:
        last.update(await status_of(api, job_id))
        return last["status"] in ENDED or STAGES.index(str(last["stage"])) >= STAGES.index(stage)

    await wait_until(is_there, timeout=120, message=f"{job_id} is at {stage}")
    return last["status"] not in ENDED


async def test_workers_killed_in_every_stage_change_nothing(
    stack: Stack, small_plant: Plant, faults: Faults, tell: Callable[[str], None]
) -> None:
    faults.set(pause_seconds=PAUSE_SECONDS)
    await ready(stack, workers=2)
    killed = []
    async with stack.client() as api, asyncio.TaskGroup() as group:
        job_id = await asked(api)
        client = Follower(job_id, stack.urls)
        reading = group.create_task(client.follow())
        for stage in STAGES:
            if await at_stage(api, job_id, stage):
                victim = await holder_of(stack, job_id)
                victim.kill()
                victim.restart()
                killed.append(stage)
        live = await reading
        status = await status_of(api, job_id)
        faults.set()
        disturbed = check_stream(await body_of(api, job_id))
        calm = check_stream(await body_of(api, await asked(api)))
    assert client.cuts == []
    assert status["status"] == "finished"
    assert status["attempt"] > len(killed) >= 3
    assert live.extras == disturbed.extras == calm.extras
    assert status["cid_count"] == calm.extras["lineage"]["total_nodes"]
    whole(small_plant, disturbed)
    tell(f"a worker killed in {', '.join(killed)}; {status['attempt']} attempts")


def whole(plant: Plant, seen: StreamChecker) -> None:
    """Every record of the lineage's containers came, once."""
    plain = PlainPlant(plant.path, tuple(sorted(seen.extras["lineage"]["nodes"])))
    for name, domain in seen.domains.items():
        check = Reconciliation(plain, name, as_of(seen.meta))
        check.feed(domain.records)
        check.close()
    plain.close()


async def test_statements_of_stages_that_fail_in_passing_are_tried_again(
    stack: Stack, faults: Faults
) -> None:
    async with stack.client() as api:
        calm = check_stream(await body_of(api, await asked(api)))
        faults.set(every=3)
        shaken = check_stream(await body_of(api, await asked(api)))
    assert shaken.extras == calm.extras
    assert {name: seen.count for name, seen in shaken.domains.items()} == {
        name: seen.count for name, seen in calm.domains.items()
    }


async def test_a_job_is_cancelled_in_the_middle_of_a_stage(stack: Stack, faults: Faults) -> None:
    faults.set(hang_every=1)
    async with stack.client() as api:
        job_id = await asked(api)
        await at_stage(api, job_id, "seed-resolve")
        await holder_of(stack, job_id)
        answer = await api.delete(f"/api/trace/job/{job_id}")
        assert answer.json() == {"status": "cancelled"}
        assert (await api.get(f"/api/trace/job/{job_id}")).status_code == httpx.codes.NOT_FOUND
    async with stack.redis() as store:
        assert [key async for key in store.scan_iter(f"{stack.prefix}trace:job:{job_id}:*")] == []
