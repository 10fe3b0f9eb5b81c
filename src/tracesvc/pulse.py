"""Whether Redis answers, asked on a connection of its own and once for all who want to know.

A process whose pool is busy with a thousand readers must not take that for a Redis that is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

ASK_SECONDS: Final = 0.8
FRESH_SECONDS: Final = 0.5


class Pulse:
    """`beats` is at most `FRESH_SECONDS` old, and takes at most `ASK_SECONDS`."""

    def __init__(self, *redises: Redis) -> None:
        """`redises`: clients of its own, closed by `aclose`; each must answer."""
        self._redises = redises
        self._asking: asyncio.Task[bool] | None = None
        self._asked = -FRESH_SECONDS

    async def beats(self) -> bool:
        """Whether Redis answers."""
        now = time.monotonic()
        if self._asking is None or (self._asking.done() and now - self._asked >= FRESH_SECONDS):
            self._asked = now
            self._asking = asyncio.create_task(self._ask(), name="pulse")
        return await asyncio.shield(self._asking)

    async def _ask(self) -> bool:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return all([await redis.ping() for redis in self._redises])
        except (RedisError, OSError):
            return False

    async def aclose(self) -> None:
        """Close the connections."""
        for redis in self._redises:
            with contextlib.suppress(RedisError, OSError):
                await redis.aclose()
