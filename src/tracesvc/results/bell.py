"""The bell: who waits for news is woken when it is rung, over one connection a process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterator

from redis.asyncio import Redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

RECONNECT_SECONDS = 0.5


class Bell:
    """Listens on channels whose messages are names: every commit publishes its job's id (docs/adr/0004).

    A ring can be lost while Redis is away, so a waiter always waits with a time limit and looks itself then.
    """

    def __init__(self, redis: Redis, *channels: str) -> None:
        self._redis = redis
        self._channels = channels
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen(), name="bell")

    async def stop(self) -> None:
        """Stop listening; waiters go on by their time limits."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

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

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(*self._channels)
                    async for message in channel.listen():
                        self._ring(message["data"].decode())
            except (RedisError, OSError):
                logger.debug("the bell's connection was lost; listening again")
            await asyncio.sleep(RECONNECT_SECONDS)

    def _ring(self, name: str) -> None:
        for event in self._waiting.get(name, ()):
            event.set()


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
