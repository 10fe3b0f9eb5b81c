"""Who runs a job: a lease with a fencing token, renewed while the worker lives."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tracesvc import clock
from tracesvc.errors import LeaseLost
from tracesvc.results.bell import Ring
from tracesvc.results.keys import JobKeys

# Renews the lease and answers the job's status; an empty answer means that the lease is another's.
RENEW: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return '' end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('HGET', KEYS[2], 'status') or 'gone'
"""
RENEWALS_PER_LEASE: Final = 5
GIVEN_UP: Final = frozenset({b"cancelled", b"gone"})
"""What a job's status reads when nobody wants its result any more."""


def script(name: str) -> str:
    """The text of a Lua script that stands beside this module."""
    return files("tracesvc.results").joinpath(name).read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Lease:
    """One worker's hold on one job. `value` is what the lease key must read for a commit to be taken."""

    keys: JobKeys
    attempt: int
    holder: str
    seconds: float

    @property
    def value(self) -> str:
        """The fencing token, `{attempt}:{worker}:{nonce}`: no two leases have the same."""
        return f"{self.attempt}:{self.holder}"

    @property
    def milliseconds(self) -> int:
        """How long it lasts when it is not renewed."""
        return max(1, round(self.seconds * 1000))


async def take_lease(
    redis: Redis,
    keys: JobKeys,
    *,
    worker: str,
    seconds: float,
    ttl_seconds: int,
    bell: str,
    attempt: bool = True,
) -> Lease | None:
    """Take the job for `worker`, or None when it is gone, ended or held by another.

    With `attempt` false no attempt is counted: the job is taken to be ended.
    """
    holder = f"{worker}:{secrets.token_hex(3)}"
    milliseconds = Lease(keys, 0, holder, seconds).milliseconds
    number = await redis.eval(  # type: ignore[misc]
        script("take.lua"),
        3,
        keys.meta,
        keys.lease,
        keys.log,
        holder,
        str(milliseconds),
        clock.to_text(clock.now()),
        str(ttl_seconds),
        bell,
        keys.job_id,
        str(int(attempt)),
    )
    return None if int(number) < 0 else Lease(keys, int(number), holder, seconds)


async def keep_lease(redis: Redis, lease: Lease, ring: Ring, on_cancel: Callable[[], object]) -> None:
    """Renew until cancelled, sooner when `ring` rings; calls `on_cancel` once the job was cancelled.

    A job that has ended under this lease is still being finished: its keys get their last time to live.
    Raises `LeaseLost` when another worker holds the job, or when Redis did not answer for as long as the
    lease lasts: from then on another one may.
    """
    answered = time.monotonic()
    while True:
        try:
            status = await redis.eval(  # type: ignore[misc]
                RENEW, 2, lease.keys.lease, lease.keys.meta, lease.value, str(lease.milliseconds)
            )
            answered = time.monotonic()
        except (RedisError, OSError) as error:
            if time.monotonic() - answered > lease.seconds:
                raise LeaseLost("Redis did not answer for as long as the lease lasts.") from error
            status = b"running"
        if not status:
            raise LeaseLost("The lease ran out, or another worker holds this job now.")
        if status in GIVEN_UP:
            on_cancel()
            return
        await ring.wait(lease.seconds / RENEWALS_PER_LEASE)


async def release_lease(redis: Redis, lease: Lease, *, handed_back: bool = False) -> tuple[str, int]:
    """Give the job up: its status and attempt now; ("", 0) when the lease was gone already.

    `handed_back`: the worker stops, and the job has lost no attempt by that.
    """
    status, attempt = await redis.eval(  # type: ignore[misc]
        script("release.lua"), 2, lease.keys.lease, lease.keys.meta, lease.value, str(int(handed_back))
    )
    return status.decode(), int(attempt)
