"""The register of jobs: which question each answers, whose it is, and which of them count against limits.

It stands beside the queue. What a job is and has found lies in the job's own keys, in the results' Redis.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from redis.asyncio import Redis

from tracesvc.results.keys import Keys
from tracesvc.results.lease import script
from tracesvc.results.lifetime import MOST_LIVES

ANY: Final = "*"
Outcome = Literal["new", "changed", "queue full", "caller full"]
# The question is this job's no more, unless it is another's already. KEYS: flight. ARGV: job id.
_LAND: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('UNLINK', KEYS[1]) end"


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How long a job and its result may live, how many there may be, and where they are queued."""

    queue: str
    workers: str
    job_seconds: int
    ttl_seconds: int
    most: int
    most_of_caller: int
    max_attempts: int

    @property
    def running_ttl_seconds(self) -> int:
        """TTL of a job's keys until it ends: it may wait and run as long as a job may run, each."""
        return 2 * self.job_seconds + self.ttl_seconds

    @property
    def longest_ttl_seconds(self) -> int:
        """How long an ended job's result may stay when it is read all the time."""
        return MOST_LIVES * self.ttl_seconds

    @property
    def message_seconds(self) -> int:
        """How long arq lets a message's function run: longer than a job, whose deadline is its own."""
        return self.job_seconds + 60


class Standing(NamedTuple):
    """`job_id` answers the question, '' when none does; `full`: the limit that has no room for another."""

    job_id: str
    full: Literal["queue full", "caller full", ""]


class JobRegister:
    """Questions, owners, and the limits on how many jobs wait or run."""

    def __init__(self, redis: Redis, keys: Keys, limits: QueueLimits) -> None:
        self._redis = redis
        self._keys = keys
        self._limits = limits
        self._claim = redis.register_script(script("claim.lua"))
        self._settle = redis.register_script(script("settle.lua"))

    async def look(self, digest: str, owner: str) -> Standing:
        """How things stand for this question of this caller."""
        now_ms = int(time.time() * 1000)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.get(self._keys.flight(digest))
            pipe.zcount(self._keys.active(), f"({now_ms}", "+inf")
            pipe.zcount(self._keys.active(owner), f"({now_ms}", "+inf")
            known, active, own = await pipe.execute()
        full: Literal["queue full", "caller full", ""] = ""
        if active >= self._limits.most:
            full = "queue full"
        elif own >= self._limits.most_of_caller:
            full = "caller full"
        return Standing(known.decode() if known else "", full)

    async def claim(self, job_id: str, digest: str, owner: str, *, instead: str) -> Outcome:
        """Enter the job, whose keys are made. `instead`: what `look` found at the question, or `ANY`."""
        now_ms, ttl = int(time.time() * 1000), self._limits.running_ttl_seconds
        ask = {
            "job": job_id,
            "instead": instead,
            "now_ms": now_ms,
            "ttl": ttl,
            "deadline_ms": now_ms + 1000 * ttl,
            "most": self._limits.most,
            "most_of_caller": self._limits.most_of_caller,
        }
        names = [self._keys.flight(digest), self._keys.jobs_of(owner)]
        names += [self._keys.active(), self._keys.active(owner), self._keys.jobs_of("")]
        outcome: Outcome = (await self._claim(keys=names, args=[json.dumps(ask)])).decode()
        return outcome

    async def active(self) -> list[str]:
        """The jobs that wait or run."""
        return [raw.decode() for raw in await self._redis.zrange(self._keys.active(), 0, -1)]

    async def count_active(self) -> int:
        """How many these are."""
        return int(await self._redis.zcard(self._keys.active()))

    async def of_owner(self, owner: str) -> list[str]:
        """The caller's jobs, newest first; everybody's for the owner ''."""
        return [raw.decode() for raw in await self._redis.zrevrange(self._keys.jobs_of(owner), 0, -1)]

    async def unlist(self, job_id: str, owner: str) -> None:
        """The job is no longer there."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zrem(self._keys.jobs_of(owner), job_id)
            pipe.zrem(self._keys.ends_of(owner), job_id)
            await pipe.execute()

    async def settle(self, job_id: str, owner: str, digest: str) -> None:
        """The job no longer waits or runs: it counts against no limit. Its question goes with it."""
        names = [self._keys.flight(digest), self._keys.active(), self._keys.active(owner)]
        for listed in (owner, ""):
            names += [self._keys.jobs_of(listed), self._keys.ends_of(listed)]
        ask = {
            "job": job_id,
            "now_ms": int(time.time() * 1000),
            "ttl": self._limits.ttl_seconds,
            "longest": self._limits.longest_ttl_seconds,
            "list": max(self._limits.running_ttl_seconds, self._limits.longest_ttl_seconds),
        }
        await self._settle(keys=names, args=[json.dumps(ask)])

    async def strike(self, job_id: str, digest: str, owner: str) -> None:
        """Take the job out of everything."""
        async with self._redis.pipeline(transaction=True) as pipe:
            for name in (
                self._keys.active(),
                self._keys.active(owner),
                self._keys.jobs_of(owner),
                self._keys.jobs_of(""),
                self._keys.ends_of(owner),
                self._keys.ends_of(""),
            ):
                pipe.zrem(name, job_id)
            pipe.eval(_LAND, 1, self._keys.flight(digest), job_id)
            await pipe.execute()
