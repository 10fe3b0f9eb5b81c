"""Database slots: how many statements run at once, over all processes, and fairly (requirements.md, 10)."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tracesvc import meters
from tracesvc.errors import SourceUnavailable
from tracesvc.results.bell import Bell
from tracesvc.results.keys import Keys
from tracesvc.results.lease import script
from tracesvc.telemetry import current_job

SIGNAL: Final = "slot"
LOOK_SECONDS: Final = 0.5
RENEWALS_PER_LEASE: Final = 3
# Renews the slots of a process; one that had run out meanwhile stays lost. Also when Redis is full: else
# others would get the slots of statements that still run.
_RENEW: Final = """#!lua flags=allow-oom
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', ends, ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], 10 * ARGV[1])
"""
_RELEASE: Final = """
for i = 1, 3 do redis.call('ZREM', KEYS[i], ARGV[1]) end
redis.call('PUBLISH', ARGV[2], ARGV[3])
"""


class Slots(Protocol):
    """A bounded number of permits to run a statement."""

    def slot(self) -> AbstractAsyncContextManager[None]:
        """One permit, held inside the block; waits for it as long as it takes."""
        ...


class LocalSlots:
    """Permits of this process alone."""

    def __init__(self, limit: int) -> None:
        self._permits = asyncio.Semaphore(limit)

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """See `Slots`."""
        async with self._permits:
            yield


@dataclass(frozen=True, slots=True)
class SlotsInUse:
    """How many statements run and wait, over all processes; `waiting` by job id, '' for answers at once."""

    limit: int
    held: int
    waiting: dict[str, int]


class SharedSlots:
    """Permits of all processes that share a Redis: first come, first served, given back by the dead.

    While Redis is away the process falls back to permits of its own (protocol.md, 1).
    """

    def __init__(
        self, redis: Redis, keys: Keys, bell: Bell, *, limit: int, lease_seconds: float, local: LocalSlots
    ) -> None:
        """`bell` listens on `keys.signals`."""
        self._redis = redis
        self._keys = keys
        self._bell = bell
        self._limit = limit
        self._lease_seconds = lease_seconds
        self._local = local
        self._names = [keys.slots(part) for part in ("held", "waiting", "seen", "ticket")]
        self._ask = redis.register_script(script("slots.lua"))
        self._held: set[str] = set()
        self._renewing: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """See `Slots`."""
        token = f"{current_job.get()}:{secrets.token_hex(6)}"
        try:
            try:
                await self._wait(token)
            except (RedisError, OSError):
                async with self._local.slot():
                    yield
            else:
                yield
        finally:
            self._held.discard(token)
            await asyncio.shield(asyncio.ensure_future(self._release(token)))

    async def wait_for_turn(self, seconds: float) -> None:
        """Return when a slot was free; raises `SourceUnavailable` after `seconds` without one."""
        try:
            async with asyncio.timeout(seconds), self.slot():
                return
        except TimeoutError:
            raise SourceUnavailable(
                f"The database has worked on {self._limit} statements for {seconds:g} s, as many as it may. "
                "Try again in a moment.",
                headers={"Retry-After": "10"},
            ) from None

    async def in_use(self) -> SlotsInUse:
        """What runs and waits now."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zcard(self._names[0])
            pipe.zrange(self._names[1], 0, -1)
            held, tokens = await pipe.execute()
        waiting: dict[str, int] = {}
        for token in tokens:
            job_id = token.decode().partition(":")[0]
            waiting[job_id] = waiting.get(job_id, 0) + 1
        return SlotsInUse(self._limit, int(held), waiting)

    async def _wait(self, token: str) -> None:
        args: list[str | int] = [token, round(self._lease_seconds * 1000), self._limit]
        with meters.SLOT_SECONDS.time(), self._bell.watch(SIGNAL) as ring:
            while not await self._ask(keys=self._names, args=args):
                await ring.wait(min(LOOK_SECONDS, self._lease_seconds / RENEWALS_PER_LEASE))
        self._held.add(token)
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew(), name="slots")

    async def _renew(self) -> None:
        while self._held:
            await asyncio.sleep(self._lease_seconds / RENEWALS_PER_LEASE)
            with contextlib.suppress(RedisError, OSError):
                lease = str(round(self._lease_seconds * 1000))
                await self._redis.eval(_RENEW, 1, self._names[0], lease, *self._held)  # type: ignore[misc]

    async def _release(self, token: str) -> None:
        with contextlib.suppress(RedisError, OSError):  # its lease runs out then
            await self._redis.eval(  # type: ignore[misc]
                _RELEASE, 3, *self._names[:3], token, self._keys.signals, SIGNAL
            )
