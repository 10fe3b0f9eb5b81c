"""Who holds a job renews its lease until it lets go; only a job that nobody wants is broken off."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from tests.support import wait_until
from tracesvc.results.bell import Ring
from tracesvc.results.keys import Keys
from tracesvc.results.lease import Lease, keep_lease


@pytest.fixture
async def lease(store: redis.asyncio.Redis) -> AsyncIterator[Lease]:
    """Of a job that runs."""
    held = Lease(Keys(f"lease-{secrets.token_hex(4)}:").job("trace-evt-held"), 1, "worker", 60)
    await store.hset(held.keys.meta, "status", "running")  # type: ignore[misc]
    await store.set(held.keys.lease, held.value, px=held.milliseconds)
    yield held
    await store.unlink(held.keys.meta, held.keys.lease)


async def is_renewed(store: redis.asyncio.Redis, lease: Lease, rung: asyncio.Event) -> None:
    """Wake who keeps the lease, and wait until it was renewed."""
    await store.pexpire(lease.keys.lease, lease.milliseconds // 2)
    rung.set()

    async def is_long() -> bool:
        return int(await store.pttl(lease.keys.lease)) > lease.milliseconds // 2

    await wait_until(is_long, message="the lease is renewed")


@pytest.mark.parametrize("ended", ["finished", "failed"])
async def test_a_job_that_is_being_finished_is_not_broken_off(
    store: redis.asyncio.Redis, lease: Lease, ended: str
) -> None:
    """Its keys would keep the time to live of a running job, for hours."""
    broken_off: list[bool] = []
    rung = asyncio.Event()
    keep = asyncio.create_task(keep_lease(store, lease, Ring(rung), lambda: broken_off.append(True)))
    await is_renewed(store, lease, rung)
    await store.hset(lease.keys.meta, "status", ended)  # type: ignore[misc]
    for _ in range(2):
        await is_renewed(store, lease, rung)
    assert not broken_off
    assert not keep.done()
    await store.hset(lease.keys.meta, "status", "cancelled")  # type: ignore[misc]
    rung.set()
    await keep
    assert broken_off == [True]


async def test_a_job_whose_keys_have_gone_is_broken_off(store: redis.asyncio.Redis, lease: Lease) -> None:
    broken_off: list[bool] = []
    await store.unlink(lease.keys.meta)
    await keep_lease(store, lease, Ring(asyncio.Event()), lambda: broken_off.append(True))
    assert broken_off == [True]
