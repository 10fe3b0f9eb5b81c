"""What tracesvc keeps in Redis: names, types and times as protocol.md, section 5, promises."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.asking import EVENTS, ended, finished, question, some_ids, stopped_worker, submit
from tests.problems import assert_problem
from tests.support import Plant, Stack, wait_until
from tests.wire import ZSTD_MAGIC, frames

TTL_SECONDS = 600
DOMAINS = ["history", "materials", "rejects", "holds", "jobs"]
Store = Any  # a `redis.asyncio.Redis`; its stubs type each command for the sync face too


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], small_plant: Plant) -> Stack:
    """Lines of 200 records, so that domains have many chunks."""
    return stacks(small_plant, workers=1, trace_stream_batch_size=200, trace_job_ttl_seconds=TTL_SECONDS)


@pytest.fixture(scope="module")
def plain(stacks: Callable[..., Stack], tiny_plant: Plant) -> Stack:
    return stacks(tiny_plant, workers=1)


async def names(store: Store, pattern: str) -> list[str]:
    return sorted([name.decode() async for name in store.scan_iter(pattern, count=1000)])


async def lines_of(api: httpx.AsyncClient, job_id: str) -> list[bytes]:
    return (await api.get(f"/api/trace/job/{job_id}/stream")).content.splitlines()


async def test_each_line_of_records_is_one_frame_under_its_own_key(
    stack: Stack, api: httpx.AsyncClient, store: Store, small_plant: Plant
) -> None:
    job_id = await finished(api, small_plant.container_ids[:500])
    lines = await lines_of(api, job_id)
    parsed = [json.loads(line) for line in lines]
    sent = {
        stack.key(job_id, f"result:{line['domain']}:{line['batch']}"): raw
        for line, raw in zip(parsed, lines, strict=True)
        if line["type"] == "records"
    }
    assert len(sent) > 30
    kept = [
        name
        for name in await names(store, stack.key(job_id, "result:*"))
        if not name.endswith(":aggregation")
    ]
    assert kept == sorted(sent)
    for name, raw in sent.items():
        data = await store.get(name)
        assert data.startswith(ZSTD_MAGIC)
        assert [content for _, content in frames(data)] in ([raw], [raw + b"\n"])


async def test_the_digest_of_a_domain_follows_from_its_keys(
    stack: Stack, api: httpx.AsyncClient, store: Store, small_plant: Plant
) -> None:
    job_id = await finished(api, small_plant.container_ids[:300], domains=["history"])
    ends = [json.loads(line) for line in await lines_of(api, job_id) if b'"domain_end"' in line[:32]]
    digest = hashlib.sha256()
    for index in range(ends[0]["batches"]):
        frame = await store.get(stack.key(job_id, f"result:history:{index}"))
        content = b"".join(part for _, part in frames(frame)).rstrip(b"\n")
        digest.update(hashlib.sha256(content).digest())
    assert digest.hexdigest() == ends[0]["digest"]


@pytest.mark.parametrize(("rest", "kind"), [("meta", "hash"), ("request", "string"), ("log", "stream")])
async def test_the_keys_of_a_job_have_their_types(
    stack: Stack, api: httpx.AsyncClient, store: Store, rest: str, kind: str
) -> None:
    job_id = await finished(api, some_ids(3), fresh=False)
    assert (await store.type(stack.key(job_id, rest))).decode() == kind


async def test_the_meta_hash_says_status_profile_and_owner(
    stack: Stack, api: httpx.AsyncClient, store: Store
) -> None:
    job_id = await finished(api, some_ids(3), fresh=False)
    meta = {
        name.decode(): value.decode()
        for name, value in (await store.hgetall(stack.key(job_id, "meta"))).items()
    }
    assert meta["status"] == "finished"
    assert meta["profile"] == "query_tool"
    assert {"attempt", "owner"} <= set(meta)


async def test_the_log_has_an_entry_for_each_chunk_and_each_domains_end(
    stack: Stack, api: httpx.AsyncClient, store: Store, small_plant: Plant
) -> None:
    job_id = await finished(api, small_plant.container_ids[:300])
    chunks = len(await names(store, stack.key(job_id, "result:*")))
    assert await store.xlen(stack.key(job_id, "log")) >= chunks + len(DOMAINS) + 1


async def test_the_request_is_kept_compressed(stack: Stack, api: httpx.AsyncClient, store: Store) -> None:
    ids = some_ids(5000)
    job_id = await finished(api, ids)
    kept = await store.get(stack.key(job_id, "request"))
    assert len(kept) < len("".join(ids)) / 2


async def test_the_queue_holds_the_job_id_and_nothing_of_the_question(
    stack: Stack, api: httpx.AsyncClient, store: Store
) -> None:
    ids = [f"ZZ{number:014x}" for number in range(2000)]
    with stopped_worker(stack):
        job_id = await submit(api, ids)
        holders = []
        for name in await names(store, "*"):
            if name.startswith(stack.key(job_id, "")):
                continue
            found = await _content(store, name)
            assert ids[0].encode() not in found, f"{name} holds container ids"
            if job_id.encode() in found:
                holders.append((name, len(found)))
    assert [name for name, _ in holders if "arq" in name or stack.queue in name]
    assert all(size < 10_000 for name, size in holders if "arq" in name)
    await ended(api, job_id)


async def _content(store: Store, name: str) -> bytes:
    kind = (await store.type(name)).decode()
    parts: list[Any] = [name.encode()]
    if kind == "string":
        parts.append(await store.get(name) or b"")
    elif kind == "zset":
        parts += await store.zrange(name, 0, -1)
    elif kind == "hash":
        parts += [part for pair in (await store.hgetall(name)).items() for part in pair]
    elif kind == "list":
        parts += await store.lrange(name, 0, -1)
    elif kind == "set":
        parts += await store.smembers(name)
    return b"\n".join(parts)


async def test_after_the_end_all_keys_of_a_job_share_one_time(
    stack: Stack, api: httpx.AsyncClient, store: Store, small_plant: Plant
) -> None:
    job_id = await finished(api, small_plant.container_ids[:300])

    async def is_alike() -> bool:
        left = [await store.pttl(name) for name in await names(store, stack.key(job_id, "*"))]
        lasting = [time for time in left if time != -2]
        alike = max(lasting) - min(lasting) < 5000
        return bool(alike and TTL_SECONDS - 20 < min(lasting) / 1000 <= TTL_SECONDS)

    await wait_until(is_alike, timeout=20, message="the lease may still have its own, shorter time")


async def test_at_no_moment_of_a_job_is_a_key_without_a_ttl(
    stack: Stack, api: httpx.AsyncClient, store: Store, small_plant: Plant
) -> None:
    with stopped_worker(stack):
        job_id = await submit(api, small_plant.container_ids)
        assert {stack.key(job_id, rest) for rest in ("meta", "request", "log")} <= set(
            await names(store, stack.key(job_id, "*"))
        )
        assert stack.keys_without_ttl() == []
    waiting = asyncio.create_task(ended(api, job_id))
    looks = 0
    while not waiting.done():
        assert await asyncio.to_thread(stack.keys_without_ttl) == []
        looks += 1
    assert (await waiting)["status"] == "finished"
    assert looks >= 2


async def test_a_running_job_has_a_lease_and_a_finished_one_has_not(
    stacks: Callable[..., Stack], medium_plant: Plant
) -> None:
    slow = stacks(medium_plant, workers=1, trace_unit_cids=1, event_fetcher_cache_skip_cid_threshold=0)
    async with slow.client() as api, slow.redis() as store:
        job_id = await submit(api, medium_plant.container_ids[:30])
        lease = slow.key(job_id, "lease")

        async def is_leased() -> bool:
            return bool(await store.exists(lease))

        async def is_free() -> bool:
            return not await store.exists(lease)

        await wait_until(is_leased, message="the worker takes the lease")
        assert (await store.type(lease)).decode() == "string"
        assert 0 < await store.pttl(lease) <= 60_000
        await ended(api, job_id)
        await wait_until(is_free, timeout=20, message="the lease ends with the job")


async def test_all_keys_begin_with_the_prefix(stack: Stack, api: httpx.AsyncClient, store: Store) -> None:
    await store.ping()
    before = set(await names(store, "trace:*"))
    await finished(api, some_ids(4))
    await api.post(EVENTS, json=question(some_ids(2)))
    assert set(await names(store, "trace:*")) == before
    arqs = (f"{stack.prefix}arq:", f"{stack.prefix}{stack.queue}")
    others = [name for name in await names(store, f"{stack.prefix}*") if not name.startswith(arqs)]
    assert [name for name in others if not name.startswith(f"{stack.prefix}trace:")] == []


async def test_a_deleted_job_leaves_no_key(
    stack: Stack, api: httpx.AsyncClient, store: Store, small_plant: Plant
) -> None:
    job_id = await finished(api, small_plant.container_ids[:200])
    assert (await api.delete(f"/api/trace/job/{job_id}")).status_code == 200
    assert await names(store, stack.key(job_id, "*")) == []
    for name in await names(store, f"{stack.prefix}trace:*"):
        assert job_id.encode() not in await _content(store, name), f"{name} still knows the job"


async def test_a_result_is_gone_when_its_time_is_over(
    stacks: Callable[..., Stack], tiny_plant: Plant
) -> None:
    brief = stacks(tiny_plant, workers=1, trace_job_ttl_seconds=1)
    async with brief.client() as api, brief.redis() as store:
        job_id = await submit(api, tiny_plant.container_ids)

        async def is_gone() -> bool:
            return (await api.get(f"/api/trace/job/{job_id}")).status_code == 404

        await wait_until(is_gone, timeout=25, message="the job expires")

        async def is_empty() -> bool:
            return not await names(store, brief.key(job_id, "*"))

        await wait_until(is_empty, timeout=20, message="its last key expires")
        assert_problem(await api.get(f"/api/trace/job/{job_id}/stream"), 404, "JOB_NOT_FOUND")
        listed = (await api.get("/api/trace/jobs")).json()["jobs"]
        assert job_id not in {job["job_id"] for job in listed}


async def test_the_lists_of_jobs_forget_those_whose_results_have_gone(
    stacks: Callable[..., Stack], tiny_plant: Plant
) -> None:
    """Without anybody listing them: jobs that come are enough."""
    brief = stacks(tiny_plant, workers=1, trace_job_ttl_seconds=1, trace_caller_max_jobs=1000)
    async with brief.client() as api, brief.redis() as store:
        job_id = await submit(api, tiny_plant.container_ids)
        lists = [
            f"{brief.prefix}trace:{kind}:{owner}" for kind in ("jobs", "ends") for owner in ("", "anonymous")
        ]

        async def is_forgotten() -> bool:
            await submit(api, tiny_plant.container_ids[:1])
            return not any([await store.zscore(name, job_id) for name in lists])

        assert await store.zscore(lists[0], job_id) is not None
        await wait_until(is_forgotten, timeout=30, message="the lists forget the job")


async def test_the_event_cache_has_times_of_its_domains(plain: Stack, tiny_plant: Plant) -> None:
    async with plain.client() as api, plain.redis() as store:
        ids = tiny_plant.container_ids
        assert (await api.post(EVENTS, json=question(ids))).status_code == 200
        assert (await api.post(EVENTS, json=question(ids))).status_code == 200
        cached = await names(store, f"{plain.prefix}trace:cache:*")
        assert cached, "a small trace leaves its events in the cache"
        times = [await store.ttl(name) for name in cached if await store.type(name) == b"string"]
        assert all(0 < seconds <= 300 for seconds in times)
