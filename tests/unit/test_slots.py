"""Database slots over all processes: never more than the limit, first come first served."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable

import pytest
import redis.asyncio

from tests.support import wait_until
from tracesvc.errors import SourceUnavailable
from tracesvc.results.bell import Bell
from tracesvc.results.keys import Keys
from tracesvc.slots import LocalSlots, SharedSlots
from tracesvc.telemetry import current_job

LEASE_SECONDS = 1.0
Make = Callable[..., SharedSlots]


@pytest.fixture
async def make(store: redis.asyncio.Redis) -> AsyncIterator[Make]:
    """Slots as another process would have them: with a bell of its own."""
    keys = Keys(f"slots-{secrets.token_hex(4)}:")
    async with contextlib.AsyncExitStack() as stack:

        def one(limit: int = 2) -> SharedSlots:
            bell = Bell(store, keys.signals)
            bell.start()
            stack.push_async_callback(bell.stop)
            return SharedSlots(
                store, keys, bell, limit=limit, lease_seconds=LEASE_SECONDS, local=LocalSlots(1)
            )

        yield one


async def test_no_more_than_the_limit_are_held_over_all_processes(make: Make) -> None:
    processes = [make(3) for _ in range(4)]
    running, most, done = 0, 0, 0

    async def work(slots: SharedSlots) -> None:
        nonlocal running, most, done
        async with slots.slot():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.005)
            running -= 1
            done += 1

    await asyncio.gather(*(work(processes[number % 4]) for number in range(80)))
    assert (most, done) == (3, 80)
    assert (await processes[0].in_use()).held == 0


async def test_they_are_given_in_the_order_of_asking(make: Make) -> None:
    slots = make(1)
    served: list[int] = []

    async def wait(number: int) -> None:
        async with slots.slot():
            served.append(number)

    async with slots.slot():
        tasks = []
        for number in range(5):
            tasks.append(asyncio.create_task(wait(number)))
            await wait_until(waiting(slots, number + 1), message="it stands in the queue")
    await asyncio.gather(*tasks)
    assert served == [0, 1, 2, 3, 4]


def waiting(slots: SharedSlots, count: int) -> Callable[[], object]:
    async def so_many() -> bool:
        return sum((await slots.in_use()).waiting.values()) == count

    return so_many


async def test_a_cancelled_waiter_leaves_the_queue(make: Make) -> None:
    slots = make(1)

    async def wait() -> None:
        async with slots.slot():
            raise AssertionError("there was no free slot")

    async with slots.slot():
        waiter = asyncio.create_task(wait())
        await wait_until(waiting(slots, 1), message="it waits")
        waiter.cancel()
        await asyncio.wait({waiter})
        await wait_until(waiting(slots, 0), message="it has left")


async def test_a_slot_is_kept_as_long_as_its_statement_runs(make: Make) -> None:
    mine, other = make(1), make(1)
    async with mine.slot():
        with pytest.raises(SourceUnavailable) as refused:
            await other.wait_for_turn(2.5 * LEASE_SECONDS)
    assert refused.value.headers["Retry-After"]
    await other.wait_for_turn(30)


async def test_the_slot_of_a_dead_process_is_free_after_its_lease(make: Make) -> None:
    dead, alive = make(1), make(1)
    holding = dead.slot()
    await holding.__aenter__()
    assert dead._renewing is not None
    dead._renewing.cancel()  # nobody renews what a killed process held
    await alive.wait_for_turn(10 * LEASE_SECONDS)


async def test_the_jobs_that_wait_are_known_by_their_ids(make: Make) -> None:
    slots = make(1)

    async def wait(job_id: str) -> None:
        current_job.set(job_id)
        async with slots.slot():
            pass

    async with slots.slot():
        tasks = [asyncio.create_task(wait(name)) for name in ("a", "a", "b")]
        await wait_until(waiting(slots, 3), message="all wait")
        found = await slots.in_use()
        assert (found.limit, found.held, found.waiting) == (1, 1, {"a": 2, "b": 1})
    await asyncio.gather(*tasks)


async def test_without_redis_a_process_has_slots_of_its_own() -> None:
    nowhere = redis.asyncio.Redis.from_url("redis://127.0.0.1:1/0")
    keys = Keys("x:")
    slots = SharedSlots(
        nowhere, keys, Bell(nowhere, keys.signals), limit=5, lease_seconds=1, local=LocalSlots(1)
    )
    order: list[str] = []

    async def work(name: str) -> None:
        async with slots.slot():
            order.append(f"{name} in")
            await asyncio.sleep(0)
            order.append(f"{name} out")

    await asyncio.gather(work("a"), work("b"))
    assert order in (["a in", "a out", "b in", "b out"], ["b in", "b out", "a in", "a out"])
    await nowhere.aclose()
