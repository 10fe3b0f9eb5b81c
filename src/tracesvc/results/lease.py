"""Who runs a job: a lease with a fencing token, renewed while the worker lives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tracesvc import clock
from tracesvc.errors import LeaseLost
from tracesvc.results.keys import JobKeys

TAKE: Final = "take.lua"
# Renews the lease and answers the job's status; an empty answer means that the lease is another's.
RENEW: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return '' end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return redis.call('HGET', KEYS[2], 'status') or 'gone'
"""
RELEASE: Final = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
)
RENEWALS_PER_LEASE: Final = 5


def script(name: str) -> str:
    """The text of a Lua script that stands beside this module."""
    return files("tracesvc.results").joinpath(name).read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Lease:
    """One worker's hold on one job. `value` is what the lease key must read for a commit to be taken."""

    keys: JobKeys
    attempt: int
    worker: str
    seconds: float

    @property
    def value(self) -> str:
        """Fencing token and worker: `{attempt}:{worker}`."""
        return f"{self.attempt}:{self.worker}"


async def take_lease(
    redis: Redis, keys: JobKeys, *, worker: str, seconds: float, ttl_seconds: int, bell: str
) -> Lease | None:
    """Take the job for `worker`, or None when it is gone, ended or held by another."""
    attempt = await redis.eval(  # type: ignore[misc]
        script(TAKE),
        3,
        keys.meta,
        keys.lease,
        keys.log,
        worker,
        str(max(1, round(seconds))),
        clock.to_text(clock.now()),
        str(ttl_seconds),
        bell,
        keys.job_id,
    )
    return Lease(keys, int(attempt), worker, seconds) if attempt else None


async def keep_lease(redis: Redis, lease: Lease, on_cancel: Callable[[], object]) -> None:
    """Renew until cancelled; calls `on_cancel` once when the job was cancelled or deleted.

    Raises `LeaseLost` when another worker holds the job, and what Redis raises once the lease has run out.
    """
    answered = time.monotonic()
    while True:
        try:
            status = await redis.eval(  # type: ignore[misc]
                RENEW, 2, lease.keys.lease, lease.keys.meta, lease.value, str(max(1, round(lease.seconds)))
            )
            answered = time.monotonic()
        except RedisError:
            if time.monotonic() - answered > lease.seconds:
                raise
            status = b"running"
        if not status:
            raise LeaseLost("Another worker holds this job now.")
        if status != b"running":
            on_cancel()
            return
        await asyncio.sleep(lease.seconds / RENEWALS_PER_LEASE)


async def release_lease(redis: Redis, lease: Lease) -> None:
    """Give the job up; harmless when the lease is gone already."""
    await redis.eval(RELEASE, 1, lease.keys.lease, lease.value)  # type: ignore[misc]
