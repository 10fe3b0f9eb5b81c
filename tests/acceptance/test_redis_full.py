"""Redis without memory is full, and nothing else: jobs say so, workers are seen, slots hold."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx
import pytest

from tests.asking import ASYNC, EVENTS, ended, finished, question, some_ids, submit
from tests.problems import assert_problem
from tests.streams import begun, body_of
from tests.support import Plant, Stack, StackCache, Valkey, wait_until
from tracesvc.errors import SourceUnavailable
from tracesvc.results.bell import Bell
from tracesvc.results.keys import Keys
from tracesvc.slots import LocalSlots, SharedSlots

TTL_SECONDS = 600
LEASE_SECONDS = 1.0


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Redis of its own, so that nobody else feels how little memory it has."""
    found = Valkey(tmp_path_factory.mktemp("valkey"))
    yield found
    found.stop()


@pytest.fixture(scope="module")
def stack(stack_cache: StackCache, small_plant: Plant, valkey: Valkey) -> Iterator[Stack]:
    found = stack_cache.fresh(
        small_plant,
        workers=1,
        trace_redis_url=valkey.url,
        trace_job_ttl_seconds=TTL_SECONDS,
        trace_unit_cids=20,
    )
    yield found
    found.stop()


async def test_a_redis_without_memory_takes_no_job(stack: Stack, valkey: Valkey) -> None:
    async with stack.client() as api:
        with valkey.short_of_memory():
            answer = await api.post(EVENTS, json=question(some_ids(5)), headers=ASYNC)
            assert_problem(answer, 507, "STORE_FULL")
            at_once = await api.post(EVENTS, json=question(some_ids(5)))
            assert at_once.status_code == httpx.codes.OK
        await finished(api, some_ids(5))


async def test_a_worker_is_still_seen(stack: Stack, valkey: Valkey) -> None:
    workers = f"{stack.prefix}trace:workers:{stack.queue}"
    async with stack.redis() as store:
        with valkey.short_of_memory():
            ((_, before),) = await store.zrange(workers, 0, -1, withscores=True)

            async def is_heard_again() -> bool:
                ((_, now),) = await store.zrange(workers, 0, -1, withscores=True)
                return bool(now > before)

            await wait_until(is_heard_again, message="the worker announces itself while Redis is full")


async def test_a_job_that_fills_redis_ends_so_and_its_keys_expire_like_any_others(
    stack: Stack, valkey: Valkey, small_plant: Plant
) -> None:
    async with stack.client() as api, stack.redis() as store:
        job_id = await submit(api, small_plant.container_ids)
        await begun(api, job_id)
        with valkey.short_of_memory():
            status = await ended(api, job_id)
            assert (status["status"], status["error"]["code"]) == ("failed", "STORE_FULL")

            async def lease_is_gone() -> bool:
                return not bool(await store.exists(stack.key(job_id, "lease")))

            await wait_until(lease_is_gone, message="the worker lets go")
            names = [name async for name in store.scan_iter(stack.key(job_id, "*"))]
            left = {name: await store.ttl(name) for name in names}
            assert stack.key(job_id, "meta").encode() in left
            assert max(left.values()) <= TTL_SECONDS, left
            assert b'"code":"STORE_FULL"' in (await body_of(api, job_id)).splitlines()[-1]
            gone = await api.delete(f"/api/trace/job/{job_id}")
            assert (gone.status_code, gone.json()) == (httpx.codes.OK, {"status": "failed"})
            assert [name async for name in store.scan_iter(f"*{job_id}*")] == []
        await finished(api, small_plant.container_ids[:50])


async def test_a_slot_is_kept_as_long_as_its_statement_runs(stack: Stack, valkey: Valkey) -> None:
    keys = Keys("slots:")
    async with stack.redis() as store, contextlib.AsyncExitStack() as bells:

        def one() -> SharedSlots:
            bell = Bell(store, keys.signals)
            bell.start()
            bells.push_async_callback(bell.stop)
            return SharedSlots(store, keys, bell, limit=1, lease_seconds=LEASE_SECONDS, local=LocalSlots(1))

        mine, other = one(), one()
        with valkey.short_of_memory():
            async with mine.slot():
                with pytest.raises(SourceUnavailable):
                    await other.wait_for_turn(2.5 * LEASE_SECONDS)
            await other.wait_for_turn(30)


async def test_a_redis_that_may_evict_is_named_by_readyz_and_in_the_log(stack: Stack, valkey: Valkey) -> None:
    with valkey.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            async with stack.client() as api:
                answer = await api.get("/readyz")
            assert answer.status_code == httpx.codes.OK  # it serves: the warning is for whoever runs it
            found = answer.json()["checks"]["redis"]
            assert found["status"] == "warning"
            assert "allkeys-lru" in found["detail"]
            assert "noeviction" in found["detail"]
            part = stack.apis[0]
            start = part.log.stat().st_size
            part.kill()
            part.restart()
            await wait_until(lambda: "allkeys-lru" in part.tail(start), message="the log names the policy")
        finally:
            client.config_set("maxmemory-policy", "noeviction")
