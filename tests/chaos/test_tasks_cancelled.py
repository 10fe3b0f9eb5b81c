"""A task that is cancelled while it talks to Redis ends: a stop, a cancel and a leaving client rest on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from redis.asyncio import Redis

from tests.chaos.size import pick, schedule
from tests.support import StackCache
from tracesvc.connect import connect_redis
from tracesvc.settings import load_settings

CANCELS = pick(200, 2000)
SOON_SECONDS = 5.0


async def talk(client: Redis) -> None:
    while True:
        await client.ping()


async def test_a_task_cancelled_in_the_middle_of_a_command_ends(
    stack_cache: StackCache, tell: Callable[[str], None]
) -> None:
    """On Python 3.11 `asyncio.wait_for` can swallow a cancel; redis-py sends through it."""
    client = connect_redis(load_settings(trace_redis_url=stack_cache.valkey.url))
    chance = schedule("tasks")
    lost = False
    async with client:
        await client.ping()
        for _ in range(CANCELS):
            task = asyncio.create_task(talk(client))
            await asyncio.sleep(chance.uniform(0.001, 0.004))
            task.cancel()
            await asyncio.wait({task}, timeout=SOON_SECONDS)
            if not task.done():
                lost = True
                break
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=0.01)
        await client.connection_pool.disconnect()
    assert not lost, "a cancelled task went on"
    tell(f"{CANCELS} tasks cancelled in the middle of a command, all ended")
