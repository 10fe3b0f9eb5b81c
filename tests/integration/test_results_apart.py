"""Results in a Redis of their own, one server or a cluster, while the queue stays where it is."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import redis

from tests.asking import ended, finished, status_of, submit
from tests.grammar import check_stream
from tests.integration.conftest import LIMITS, SLOW
from tests.integration.redis_nodes import RedisNodes
from tests.parts import Valkey, wait_until
from tests.streams import begun, body_of, path_of
from tests.support import Plant, Stack
from tracesvc.connect import connect_redis, connect_results, queue_limits
from tracesvc.errors import SettingsError
from tracesvc.settings import load_settings

JOBS: Final = 12
DOMAINS: Final = ["history", "materials", "rejects"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisNodes]:
    nodes = RedisNodes(tmp_path_factory.mktemp("cluster"))
    yield nodes
    nodes.stop()


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], small_plant: Plant, cluster: RedisNodes) -> Stack:
    settings = {**LIMITS, "trace_lease_seconds": 2, "trace_caller_max_jobs": 100}
    settings["trace_results_redis_url"] = cluster.url
    return stacks(small_plant, workers=2, apis=2, **settings)


@pytest.fixture(scope="module")
def plain(stacks: Callable[..., Stack], small_plant: Plant) -> Stack:
    """The same without a cluster."""
    return stacks(small_plant, workers=1, **LIMITS)


def queue_side(stack: Stack) -> list[str]:
    """The names of keys in the queue's Redis."""
    with redis.Redis.from_url(stack.redis_url) as client:
        return [name.decode() for name in client.scan_iter(match=f"{stack.prefix}*", count=1000)]


def records_of(body: bytes) -> list[bytes]:
    return [line for line in body.splitlines() if line.startswith(b'{"type":"records"')]


async def test_jobs_spread_over_the_nodes_and_each_lies_whole_on_one(
    stack: Stack, api: httpx.AsyncClient, cluster: RedisNodes, small_plant: Plant
) -> None:
    jobs = [await submit(api, small_plant.container_ids[at::JOBS][:120]) for at in range(JOBS)]
    for job_id in jobs:
        assert (await ended(api, job_id))["status"] == "finished"
        check_stream(await body_of(api, job_id, zstd=True))
    places = {
        job_id: [
            at for at, names in enumerate(cluster.names()) if any(f"{{{job_id}}}" in name for name in names)
        ]
        for job_id in jobs
    }
    assert {len(at) for at in places.values()} == {1}, places
    assert len({at[0] for at in places.values()}) > 1
    assert not [name for name in queue_side(stack) if "trace:job:" in name]
    assert not cluster.without_ttl()


async def test_a_trace_reads_the_same_as_from_one_server(
    stack: Stack, plain: Stack, small_plant: Plant
) -> None:
    ids = small_plant.container_ids[:600]
    async with stack.client() as here, plain.client() as there:
        mine, other = await finished(here, ids, domains=DOMAINS), await finished(there, ids, domains=DOMAINS)
        assert records_of(await body_of(here, mine)) == records_of(await body_of(there, other))
        for offset in (0, 1, 99, 100, 101, 5000, 10**6):
            params: dict[str, str | int] = {"domain": "history", "offset": offset, "limit": 150}
            pages = [
                (await client.get(path_of(job_id, "result"), params=params)).json()["data"]
                for client, job_id in ((here, mine), (there, other))
            ]
            assert pages[0] == pages[1]
        asked = {"domain": "history", "format": "csv"}
        files = [
            (await client.get(path_of(job_id, "export"), params=asked)).content
            for client, job_id in ((here, mine), (there, other))
        ]
        assert files[0] == files[1]
        coverage = await here.get(path_of(mine, "coverage"), params={"domain": "history", "of": "without"})
        assert coverage.status_code == httpx.codes.OK


async def test_a_live_stream_is_woken_by_every_commit(
    stacks: Callable[..., Stack], small_plant: Plant, cluster: RedisNodes
) -> None:
    settings = {**LIMITS, **SLOW, "trace_results_redis_url": cluster.url}
    stack = stacks(small_plant, workers=1, **settings)
    async with stack.client() as api:
        job_id = await submit(api, small_plant.container_ids[:300], domains=["history"])
        body = await body_of(api, job_id)
    seen = check_stream(body)
    assert len(seen.domains["history"].records) > 0
    assert b'"live":true' in body.splitlines()[0]


async def test_the_same_question_is_one_job_also_when_many_ask_at_once(
    stack: Stack, small_plant: Plant
) -> None:
    ids = small_plant.container_ids[7:407]
    async with stack.client(api=0) as one, stack.client(api=1) as two:
        found = await asyncio.gather(
            *(submit(api, ids, fresh=False) for api in (one, two) for _ in range(10))
        )
        assert len(set(found)) == 1
        assert (await ended(one, found[0]))["status"] == "finished"


async def test_a_cancelled_job_is_gone_from_the_cluster(
    stacks: Callable[..., Stack], small_plant: Plant, cluster: RedisNodes
) -> None:
    stack = stacks(small_plant, workers=1, **LIMITS, **SLOW, trace_results_redis_url=cluster.url)
    async with stack.client() as api:
        job_id = await submit(api, small_plant.container_ids[:1500])
        await begun(api, job_id, records=1)
        answer = await api.delete(path_of(job_id, "").rstrip("/"))
        assert answer.status_code in (httpx.codes.OK, httpx.codes.ACCEPTED)

        async def gone() -> bool:
            return not any(job_id in name for names in cluster.names() for name in names)

        await wait_until(gone, message="no key is left")
        assert (await api.get(path_of(job_id, "").rstrip("/"))).status_code == httpx.codes.NOT_FOUND


async def test_a_job_of_a_killed_worker_is_gone_on_with(
    stack: Stack, api: httpx.AsyncClient, small_plant: Plant
) -> None:
    job_id = await submit(api, small_plant.container_ids)
    await begun(api, job_id, records=1)
    victim = stack.workers[0]
    victim.signal(signal.SIGKILL)
    try:
        status = await ended(api, job_id)
        assert status["status"] == "finished"
        check_stream(await body_of(api, job_id))
    finally:
        victim.restart()


async def test_a_slot_that_moves_to_another_node_is_followed(
    api: httpx.AsyncClient, cluster: RedisNodes, small_plant: Plant
) -> None:
    job_id = await finished(api, small_plant.container_ids[:200])
    before = await body_of(api, job_id)
    name = next(name for names in cluster.names() for name in names if f"{{{job_id}}}" in name)
    cluster.move(name)
    assert records_of(await body_of(api, job_id)) == records_of(before)
    assert (await status_of(api, job_id))["status"] == "finished"


async def test_the_analysis_reads_its_inputs_from_the_cluster(
    api: httpx.AsyncClient, small_plant: Plant
) -> None:
    job_id = await submit(
        api, small_plant.container_ids[:300], profile="mid_section_defect",
        params={"direction": "backward", "station": "測試"},
    )  # fmt: skip
    assert (await ended(api, job_id))["status"] == "finished"
    answer = await api.post(path_of(job_id, "aggregate"), json={})
    assert answer.status_code == httpx.codes.OK, answer.text


async def test_readiness_and_metrics_name_the_nodes(api: httpx.AsyncClient, cluster: RedisNodes) -> None:
    assert (await api.get("/readyz")).json()["checks"]["redis"]["status"] == "ok"
    text = (await api.get("/metrics")).text
    for node in cluster.nodes:
        assert f'tracesvc_results_redis_used_bytes{{node="127.0.0.1:{node.port}"}}' in text


async def test_one_server_of_its_own_holds_the_results_and_its_loss_is_told(
    stack_cache: Any, small_plant: Plant, tmp_path: Path
) -> None:
    results = Valkey(tmp_path / "results")
    stack = stack_cache.fresh(small_plant, workers=1, **LIMITS, trace_results_redis_url=results.url)
    try:
        async with stack.client() as api:
            job_id = await finished(api, small_plant.container_ids[:200])
            check_stream(await body_of(api, job_id))
            with results.client() as client:
                assert any(f"trace:job:{job_id}:".encode() in name for name in client.scan_iter())
            assert not [name for name in queue_side(stack) if "trace:job:" in name]
            results.part.kill()

            async def told() -> bool:
                return bool((await api.get("/readyz")).is_server_error)

            await wait_until(told, message="/readyz says it")
            answer = await api.get(path_of(job_id, "").rstrip("/"))
            assert (answer.status_code, answer.json()["code"]) == (503, "QUEUE_UNAVAILABLE")
    finally:
        stack.stop()
        results.part.stop()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"trace_redis_url": "redis+cluster://127.0.0.1:1"}, "cannot carry the queue"),
        ({"trace_results_redis_url": "redis+cluster://127.0.0.1:1/3"}, "TRACE_RESULTS_REDIS_URL"),
        ({"trace_results_redis_url": "redis+cluster://"}, "TRACE_RESULTS_REDIS_URL"),
        (
            {"trace_results_redis_url": "redis+cluster://127.0.0.1:1", "trace_redis_prefix": "{a}:"},
            "TRACE_REDIS_PREFIX",
        ),
    ],
)
def test_addresses_that_cannot_serve_are_refused(settings: dict[str, str], told: str) -> None:
    found = load_settings(**{"trace_redis_url": "redis://127.0.0.1:1", **settings})
    with pytest.raises(SettingsError, match=told):
        connect_results(found, connect_redis(found))
    assert queue_limits(found).queue.endswith(found.trace_worker_queue)
