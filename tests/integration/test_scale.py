"""Three API and four worker processes on one Redis: a small job does not wait for giants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.asking import submit
from tests.streams import body_of
from tests.support import Plant, Stack, wait_until

GIANTS = 10


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], small_plant: Plant) -> Stack:
    """Many small statements, so that giants last; slots and queue are everybody's."""
    return stacks(
        small_plant,
        apis=3,
        workers=4,
        trace_unit_cids=5,
        trace_worker_max_jobs=3,
        trace_caller_max_jobs=50,
        trace_lease_seconds=60,
        event_fetcher_cache_skip_cid_threshold=0,
    )


async def test_a_small_job_behind_ten_giants_is_done_long_before_them(
    stack: Stack, small_plant: Plant
) -> None:
    ids = small_plant.container_ids
    clients = [stack.client(api=number) for number in range(3)]
    try:
        giants = [await submit(clients[number % 3], ids[number:]) for number in range(GIANTS)]

        async def states() -> list[str]:
            answers = [await clients[0].get(f"/api/trace/job/{job_id}") for job_id in giants]
            return [answer.json()["status"] for answer in answers]

        async def all_at_work() -> bool:
            return "queued" not in await states()

        await wait_until(all_at_work)
        small = await submit(clients[1], ids[:5], domains=["holds"])
        body = await body_of(clients[2], small)
        assert b'"complete"' in body.splitlines()[-1]
        assert (await states()).count("running") > GIANTS // 2
        for job_id in giants:
            await clients[0].delete(f"/api/trace/job/{job_id}")
    finally:
        await asyncio.gather(*(client.aclose() for client in clients))
