"""The bell: who waits for news is woken when it is rung, over one connection a process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tracesvc.results.keys import JobKeys

logger = logging.getLogger(__name__)

RECONNECT_SECONDS = 0.5


class Bell:
    """Listens on channels whose messages are names: every commit publishes its job's id (docs/adr/0004).

    A ring can be lost while Redis is away, so a waiter always waits with a time limit and looks itself then.
    """

    def __init__(self, redis: Redis, *channels: str) -> None:
        self._heard = [(redis, channels)]
        self._own: list[Redis] = []
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._tasks: list[asyncio.Task[None]] = []

    def hear_also(self, redis: Redis, *channels: str) -> None:
        """Listen there as well; call it before `start`. The client is the bell's own from now on."""
        self._heard.append((redis, channels))
        self._own.append(redis)

    def start(self) -> None:
        """Begin to listen."""
        self._tasks = [asyncio.create_task(self._listen(*heard), name="bell") for heard in self._heard]

    async def stop(self) -> None:
        """Stop listening; waiters go on by their time limits."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for redis in self._own:
            with contextlib.suppress(RedisError, OSError):
                await redis.aclose()

    @contextlib.contextmanager
    def watch(self, name: str) -> Iterator[Ring]:
        """Rings of one name from now on. Enter it before reading, so that nothing falls between."""
        event = asyncio.Event()
        self._waiting[name].add(event)
        try:
            yield Ring(event)
        finally:
            self._waiting[name].discard(event)
            if not self._waiting[name]:
                del self._waiting[name]

    async def _listen(self, redis: Redis, channels: Sequence[str]) -> None:
        while True:
            try:
                async with redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(*channels)
                    async for message in channel.listen():
                        self._ring(message["data"].decode())
            except (RedisError, OSError):
                logger.debug("the bell's connection was lost; listening again")
            await asyncio.sleep(RECONNECT_SECONDS)

    def _ring(self, name: str) -> None:
        for event in self._waiting.get(name, ()):
            event.set()


# KEYS: any of the job's, which says at which node of a cluster. ARGV: channel, name.
_RING: Final = """#!lua flags=allow-oom
return redis.call('PUBLISH', ARGV[1], ARGV[2])
"""


async def ring(redis: Redis, keys: JobKeys, bell: str) -> None:
    """Wake who waits for this job."""
    await redis.eval(_RING, 1, keys.meta, bell, keys.job_id)  # type: ignore[misc]


class Ring:
    """One waiter's rings."""

    def __init__(self, event: asyncio.Event) -> None:
        self._event = event

    async def wait(self, seconds: float) -> bool:
        """True when it rang since the last `wait`, False after `seconds` without a ring."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
