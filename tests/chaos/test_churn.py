"""A day's small jobs, one upon the other: nothing grows and nothing stays."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

import httpx
import pytest
import redis

from tests.asking import submit
from tests.chaos.acting import belongings, keys_of, nothing_leaked
from tests.chaos.size import pick, schedule
from tests.chaos.test_memory_of_workers import settled
from tests.grammar import check_stream
from tests.streams import body_of, path_of
from tests.support import WORKER_OF_ITS_OWN, Part, Plant, Stack, wait_until

# Eight hours of a plant where every three seconds somebody asks something that becomes a job.
JOBS: Final = pick(60, 9_600)
LANES: Final = 8
WARM_UP: Final = pick(30, 1_600)
MOST_IDS: Final = 40
TTL_SECONDS: Final = 2
MIB: Final = 1024 * 1024

pytestmark = pytest.mark.timeout(pick(120, 3600))


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], plant: Plant) -> Stack:
    """The real worker on the real source; results go soon."""
    return stacks(
        plant,
        worker=WORKER_OF_ITS_OWN,
        workers=2,
        trace_job_ttl_seconds=TTL_SECONDS,
        trace_caller_max_jobs=1000,
        event_fetcher_cache_skip_cid_threshold=0,
    )


async def churn(stack: Stack, plant: Plant, chance: random.Random, jobs: int) -> dict[str, int]:
    """So many jobs, some at once: followed, paged, cancelled, or asked for and left."""
    left, done = iter(range(jobs)), dict.fromkeys(("followed", "paged", "cancelled", "left"), 0)

    async def lane(api: httpx.AsyncClient) -> None:
        for _ in left:
            first = chance.randrange(len(plant.container_ids) - MOST_IDS)
            ids = plant.container_ids[first : first + chance.randint(1, MOST_IDS)]
            job_id = await submit(api, ids, domains=["history", "rejects"])
            (what,) = chance.choices(tuple(done), (5, 2, 1, 2))
            done[what] += 1
            if what in {"followed", "paged"}:
                check_stream(await body_of(api, job_id, zstd=True))
            if what == "paged":
                asked: dict[str, str | int] = {"domain": "history", "limit": 20}
                page = await api.get(path_of(job_id, "result"), params=asked)
                assert page.status_code == httpx.codes.OK, page.text
            if what == "cancelled":
                answer = await api.delete(path_of(job_id, "").rstrip("/"))
                assert answer.status_code in (httpx.codes.OK, httpx.codes.ACCEPTED), answer.text

    async with stack.client() as api:
        await asyncio.gather(*(lane(api) for _ in range(LANES)))
    return done


def redis_bytes(stack: Stack) -> int:
    with redis.Redis.from_url(stack.redis_url) as client:
        return int(client.info("memory")["used_memory"])


async def at_rest(parts: list[Part]) -> list[int]:
    """Their resident bytes when the source's engine is closed as well, 5 s after its last statement."""
    return await asyncio.gather(*(settled(part, still=14) for part in parts))


async def results_of(stack: Stack) -> list[str]:
    """The keys that name a job or its question."""
    async with stack.redis() as store:
        found = await keys_of(store, f"{stack.prefix}*")
    return sorted(key for key in found if ":job:" in key or ":flight:" in key)


async def results_gone(stack: Stack) -> None:
    """Wait until all results have expired; what stays is told."""
    left: list[str] = []

    async def are_gone() -> bool:
        left[:] = await results_of(stack)
        return not left

    await wait_until(are_gone, timeout=30, message=lambda: f"results expire: {left}")


async def test_a_days_jobs_leave_nothing_behind_and_nothing_grows(
    stack: Stack, plant: Plant, tell: Callable[[str], None]
) -> None:
    chance = schedule("churn")
    await churn(stack, plant, chance, WARM_UP)
    await results_gone(stack)
    settled_at = await belongings(stack)
    parts = [*stack.apis, *stack.workers]
    before, held = await at_rest(parts), redis_bytes(stack)
    done = await churn(stack, plant, chance, JOBS)
    now = await nothing_leaked(stack, settled_at)
    after = await at_rest(parts)
    shown = ", ".join(
        f"{part.name} {was / MIB:.0f} -> {is_ / MIB:.0f}"
        for part, was, is_ in zip(parts, before, after, strict=True)
    )
    for was, is_ in zip(before, after, strict=True):
        assert is_ < 1.1 * was + 4 * MIB, f"MiB: {shown}"
    assert redis_bytes(stack) < 1.1 * held + MIB
    tell(
        f"{JOBS} jobs ({', '.join(f'{count} {what}' for what, count in done.items())}); MiB: {shown};"
        f" {now.descriptors} descriptors, {len(now.keys)} keys"
    )
