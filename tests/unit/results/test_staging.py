"""A unit that is too large for one commit waits under hidden keys, which are its own attempt's alone."""

from __future__ import annotations

import base64
import json
import random
import secrets
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from tracesvc.errors import LeaseLost
from tracesvc.results.index import read_index
from tracesvc.results.keys import JobKeys, Keys
from tracesvc.results.lease import Lease
from tracesvc.results.store import STAGE_BYTES, JobSink

DOMAIN = "history"
MANY_BYTES = STAGE_BYTES + STAGE_BYTES // 4


@pytest.fixture
async def job(store: redis.asyncio.Redis) -> AsyncIterator[JobKeys]:
    """A job that runs; who holds it, each test says."""
    keys = Keys(f"staging-{secrets.token_hex(4)}:").job("trace-evt-staged")
    await store.hset(keys.meta, mapping={"status": "running", "domains": json.dumps([DOMAIN])})  # type: ignore[misc]
    yield keys
    await store.unlink(*[name async for name in store.scan_iter(f"{keys.base}*")])


async def holding(store: redis.asyncio.Redis, job: JobKeys, attempt: int) -> JobSink:
    """The sink of a new attempt, which takes the job from whoever had it."""
    lease = Lease(job, attempt, f"worker{attempt}", 15)
    await store.set(job.lease, lease.value, ex=60)
    sink = JobSink(store, lease, bell="bell", running_ttl=60, final_ttl=60, max_bytes=10**9)
    await sink.open([DOMAIN], 1)
    return sink


def incompressible(size: int, seed: int) -> bytes:
    """One row whose frame takes about so many bytes."""
    text = base64.b64encode(random.Random(seed).randbytes(size)).decode()
    return json.dumps([{"CONTAINERID": "a", "TEXT": text}]).encode()


async def staged(store: redis.asyncio.Redis, job: JobKeys) -> list[bytes]:
    return [name async for name in store.scan_iter(f"{job.base}staged:*")]


async def test_who_lost_a_job_drops_nothing_of_the_one_that_has_it(
    store: redis.asyncio.Redis, job: JobKeys
) -> None:
    frozen = await holding(store, job, 1)
    await frozen.add(DOMAIN, incompressible(MANY_BYTES, 1), 1)
    holder = await holding(store, job, 2)
    await holder.add(DOMAIN, incompressible(MANY_BYTES, 2), 1)
    with pytest.raises(LeaseLost):
        await frozen.commit(DOMAIN, b"+")
    await frozen.drop(DOMAIN)
    await holder.commit(DOMAIN, b"+")
    (entry,) = await read_index(store, job, DOMAIN)
    frame = await store.get(job.chunk(DOMAIN, 0))
    assert (entry.count, entry.length) == (1, len(frame or b""))


async def test_a_committed_unit_leaves_no_hidden_key(store: redis.asyncio.Redis, job: JobKeys) -> None:
    sink = await holding(store, job, 1)
    for number in range(2):
        await sink.add(DOMAIN, incompressible(MANY_BYTES, number), 1)
    assert len(await staged(store, job)) == 3, "two chunks and their list"
    await sink.commit(DOMAIN, b"+")
    assert await staged(store, job) == []
    assert len(await read_index(store, job, DOMAIN)) == 2
