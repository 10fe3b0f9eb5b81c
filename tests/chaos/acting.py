"""What tests do to a stack, and what they look at."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import psutil
import redis.asyncio

from tests.asking import ENDED, status_of
from tests.chaos.faults import Ledger
from tests.support import Part, Stack, wait_until


async def reached(api: httpx.AsyncClient, job_id: str, percent: float, *, timeout: float = 120) -> None:
    """Wait until a running job is so far."""

    async def is_there() -> bool:
        status = await status_of(api, job_id)
        assert status["status"] not in ENDED, f"ended before {percent:.0f} %: {status}"
        return bool(status["progress"]["percent"] >= percent)

    await wait_until(is_there, timeout=timeout, message=f"{job_id} is at {percent:.0f} %")


async def lease_of(stack: Stack, job_id: str) -> str:
    """Who runs the job, with the fencing token; empty when nobody does."""
    async with stack.redis() as store:
        return (await store.get(stack.key(job_id, "lease")) or b"").decode()


async def holder_of(stack: Stack, job_id: str) -> Part:
    """Wait until a worker that is alive holds the job."""
    found: list[Part] = []

    async def is_held() -> bool:
        lease = await lease_of(stack, job_id)
        found[:] = [part for part in stack.workers if part.alive and f":{part.pid}:" in lease]
        return bool(found)

    await wait_until(is_held, timeout=60, message=f"a worker takes {job_id}")
    return found[0]


async def ready(stack: Stack, *, workers: int = 1) -> None:
    """Wait until every API process answers and so many workers serve the queue."""

    async def is_ready() -> bool:
        with contextlib.suppress(httpx.TransportError, KeyError):
            for number in range(len(stack.apis)):
                async with stack.client(api=number) as api:
                    body = (await api.get("/readyz")).json()
                alive = {str(part.pid) for part in stack.workers if part.alive}
                named = {worker["name"].split(":")[1] for worker in body["checks"]["workers"]["workers"]}
                if len(alive & named) < workers:
                    return False
            return True
        return False

    await wait_until(is_ready, timeout=60, message=f"{workers} workers are ready: {stack.logs()}")


async def keys_of(store: redis.asyncio.Redis, pattern: str) -> set[str]:
    found = {name.decode() async for name in store.scan_iter(pattern, count=1000)}
    return {name for name in found if ":rate:" not in name}  # counters of rate limits end with their windows


@dataclass(frozen=True)
class Belongings:
    """What a stack holds beyond its fixed parts."""

    processes: int
    descriptors: int
    redis_connections: int
    keys: frozenset[str]
    statements: int

    def exceeds(self, other: Belongings, *, descriptors: int) -> bool:
        """Whether there is more than there was; connections are pooled, so they are counted apart."""
        return (
            self.processes > other.processes
            or self.descriptors > other.descriptors + descriptors
            or not self.keys <= other.keys
            or self.statements > other.statements
        )


async def belongings(stack: Stack) -> Belongings:
    """Look at processes, descriptors but those to Redis, connections to Redis, keys and statements."""
    port = int(stack.redis_url.rsplit(":", 1)[1].split("/")[0])
    processes = descriptors = connections = 0
    for part in stack.parts:
        process = psutil.Process(part.pid)
        to_redis = sum(
            c.status == psutil.CONN_ESTABLISHED and c.raddr.port == port
            for c in process.net_connections("tcp")
        )
        processes += 1 + len(process.children(recursive=True))
        descriptors += process.num_fds() - to_redis
        connections += to_redis
    async with stack.redis() as store:
        keys = await keys_of(store, f"{stack.prefix}*")
    return Belongings(processes, descriptors, connections, frozenset(keys), Ledger(stack.folder).running()[1])


async def nothing_leaked(stack: Stack, before: Belongings, *, descriptors: int = 6) -> Belongings:
    """Wait until the stack holds no more than it did; a few descriptors may be a pool's."""
    now: list[Belongings] = []

    async def is_clean() -> bool:
        now[:] = [await belongings(stack)]
        return not now[0].exceeds(before, descriptors=descriptors)

    try:
        await wait_until(is_clean, timeout=30)
    except AssertionError:
        more = sorted(now[0].keys - before.keys)
        raise AssertionError(f"leaked: {more}; {before}, then {now[0]}") from None
    return now[0]


@contextlib.asynccontextmanager
async def restarting(stack: Stack) -> AsyncIterator[list[int]]:
    """Start each worker again that dies inside the block; gives the pids of the dead."""
    dead: list[int] = []

    async def watch() -> None:
        while True:
            for part in [part for part in stack.workers if not part.alive]:
                dead.append(part.pid)
                part.restart()
            await asyncio.sleep(0.05)

    task = asyncio.create_task(watch())
    try:
        yield dead
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
