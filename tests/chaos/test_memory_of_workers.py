"""Job after job, a worker's memory stays what it was after the first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.asking import finished, status_of
from tests.chaos.size import pick
from tests.streams import ALL_DOMAINS
from tests.support import WORKER_OF_ITS_OWN, Part, Plant, Stack, wait_until

JOBS = pick(4, 30)
RECORDS = pick(10_000, 100_000)
LOOK_SECONDS = 0.5
PER_CONTAINER = 29  # records over all domains


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], plant: Plant) -> Stack:
    """The real worker on the real source, settings as they come."""
    return stacks(
        plant,
        worker=WORKER_OF_ITS_OWN,
        trace_async_cid_threshold=100,
        event_fetcher_cache_skip_cid_threshold=0,
    )


async def settled(worker: Part, *, still: int = 6) -> int:
    """Resident bytes, once a worker that rests gives nothing back any more, for `still` looks."""
    looks = [worker.rss]

    async def is_still() -> bool:
        await asyncio.sleep(LOOK_SECONDS)
        looks.append(worker.rss)
        return len(looks) > still and max(looks[-still:]) - min(looks[-still:]) < 1024 * 1024

    await wait_until(is_still, message="the worker rests")
    return looks[-1]


async def test_after_many_large_jobs_a_worker_is_as_small_as_after_the_first(
    stack: Stack, plant: Plant, tell: Callable[[str], None]
) -> None:
    sizes: list[int] = []
    records = 0
    async with stack.client() as api:
        for _ in range(JOBS):
            job_id = await finished(
                api, plant.container_ids[: RECORDS // PER_CONTAINER], domains=list(ALL_DOMAINS)
            )
            records = (await status_of(api, job_id))["progress"]["records"]
            sizes.append(await settled(stack.workers[0]))
            assert (await api.delete(f"/api/trace/job/{job_id}")).status_code == 200
    shown = " ".join(f"{size / 2**20:.0f}" for size in sizes)
    assert sizes[-1] < 1.15 * sizes[0], f"MiB after each job: {shown}"
    tell(f"{JOBS} jobs of {records} records; MiB after each: {shown}")
