"""How long a job's result stays: one time to live for all of its keys, prolonged while someone reads it."""

from __future__ import annotations

from typing import Final

from redis.asyncio import Redis

from tracesvc import clock
from tracesvc.results.keys import JobKeys
from tracesvc.results.status import JobStatus

# A result that is read all the time lives so many times its time to live from its end, and no longer.
MOST_LIVES: Final = 4
# Never brings a deleted hash back; works when Redis is full, too. KEYS: meta. ARGV: expires_ms, seconds.
_META: Final = """#!lua flags=allow-oom
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'expires_ms', ARGV[1])
return redis.call('EXPIRE', KEYS[1], ARGV[2])
"""


def result_keys(job: JobKeys, status: JobStatus) -> list[str]:
    """The names of all keys of a job's result but its meta hash."""
    names = [job.request, job.log]
    for domain in status.domains:
        names += [job.index(domain), job.coverage(domain), job.staged_index(domain)]
        names += [job.chunk(domain, batch) for batch in range(status.number(domain, "batches"))]
    return names


async def expire_together(redis: Redis, job: JobKeys, status: JobStatus, seconds: int) -> None:
    """Give all keys of an ended job the same time to live from now."""
    async with redis.pipeline(transaction=False) as pipe:
        for name in result_keys(job, status):
            pipe.expire(name, seconds)
        await pipe.execute()
    expires_ms = int(clock.now().timestamp() * 1000) + seconds * 1000
    await redis.eval(_META, 1, job.meta, str(expires_ms), str(seconds))  # type: ignore[misc]


async def prolong(redis: Redis, job: JobKeys, status: JobStatus, ttl_seconds: int) -> None:
    """Someone reads this result: when half of its time is over it starts anew, up to `MOST_LIVES` times."""
    if not status.ended or status.legacy or status.finished_at is None:
        return
    if status.seconds_left > ttl_seconds / 2:
        return
    oldest = MOST_LIVES * ttl_seconds - (clock.now() - status.finished_at).total_seconds()
    seconds = int(min(ttl_seconds, oldest))
    if seconds > status.seconds_left:
        await expire_together(redis, job, status, seconds)
