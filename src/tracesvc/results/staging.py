"""Chunks of a unit that is too large for one commit: they wait under hidden keys (docs/adr/0007)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from tracesvc.results.keys import JobKeys


async def stage(redis: Redis, keys: JobKeys, domain: str, frames: Mapping[str, bytes], ttl: int) -> None:
    """Keep frames under their hidden keys for `ttl` seconds, and their names for whoever takes over."""
    index = keys.staged_index(domain)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.sadd(index, *frames)
        pipe.expire(index, ttl)
        for name, data in frames.items():
            pipe.set(name, data, ex=ttl)
        await pipe.execute()


async def unstage(redis: Redis, keys: JobKeys, domain: str, names: Sequence[str]) -> None:
    """Delete these hidden keys of one's own; another attempt's may stand beside them."""
    await redis.unlink(*names)
    await redis.srem(keys.staged_index(domain), *names)  # type: ignore[misc]


async def drop_staged(redis: Redis, keys: JobKeys, domains: Sequence[str]) -> None:
    """Delete what any attempt staged for a commit that never came."""
    for domain in domains:
        index = keys.staged_index(domain)
        await redis.unlink(index, *await redis.smembers(index))  # type: ignore[misc]
