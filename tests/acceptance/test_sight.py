"""What whoever runs the service can see of it: metrics, logs, spans, and one screen."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import redis.asyncio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from tests.asking import ended, submit
from tests.streams import held_job
from tests.support import Plant, Stack, child_env, free_port, wait_until
from tracesvc.connect import queue_limits
from tracesvc.queue import JobQueue
from tracesvc.results.keys import Keys
from tracesvc.settings import Settings


class Collector:
    """Takes spans as an OTLP/HTTP collector does."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                del format, args

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def take(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            names = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [(names["service.name"], span) for span in scope.spans]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield collector
    collector.server.shutdown()
    thread.join()
    collector.server.server_close()


@pytest.fixture(scope="module")
def worker_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], small_plant: Plant, collector: Collector, worker_port: int) -> Stack:
    return stacks(
        small_plant,
        trace_log_format="json",
        trace_worker_metrics_address=f"127.0.0.1:{worker_port}",
        trace_otlp_endpoint=f"http://127.0.0.1:{collector.server.server_port}",
    )


@pytest.fixture
async def job_id(api: httpx.AsyncClient, small_plant: Plant) -> str:
    """A job of 2,000 containers that has finished."""
    job_id = await submit(api, small_plant.container_ids, domains=["history", "holds"])
    await ended(api, job_id)
    return job_id


def figures(text: str) -> dict[tuple[str, ...], float]:
    """Name and the values of its labels, in the order of their names, to value."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_the_api_counts_requests_by_route_and_refusals_by_code(
    api: httpx.AsyncClient, job_id: str
) -> None:
    await api.get("/api/trace/job/trace-evt-gone")
    await api.get(f"/api/trace/job/{job_id}/stream")
    text = (await api.get("/metrics")).text
    found = figures(text)
    assert found["tracesvc_requests_total", "POST", "/api/trace/events", "202"] >= 1
    assert found["tracesvc_request_seconds_count", "/api/trace/job/{job_id}/stream"] >= 1
    assert found["tracesvc_problems_total", "JOB_NOT_FOUND"] >= 1
    assert found["tracesvc_responses_open", "/api/trace/job/{job_id}/stream"] == 0
    assert found["tracesvc_response_bytes_total", "/api/trace/job/{job_id}/stream"] > 10_000
    assert found["tracesvc_redis_used_bytes",] > 0
    assert found["tracesvc_workers",] == 1
    assert found["tracesvc_queue_waiting",] == 0
    assert job_id not in text


async def test_a_job_that_ends_while_it_is_counted_does_not_wait(
    store: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = JobQueue(store, store, Keys("test"), queue_limits(Settings()))

    async def zrange(*_args: object, **_options: object) -> list[tuple[bytes, float]]:
        return [(b"ended-since", 1000.0)]

    monkeypatch.setattr(store, "zrange", zrange)
    assert await queue.waiting() == (0, 0.0)


async def test_a_job_that_runs_does_not_wait_any_more(
    stack: Stack, api: httpx.AsyncClient, small_plant: Plant
) -> None:
    async def waiting() -> tuple[float, float]:
        found = figures((await api.get("/metrics")).text)
        return found["tracesvc_queue_waiting",], found["tracesvc_queue_oldest_seconds",]

    async with held_job(stack, small_plant.container_ids):
        assert await waiting() == (0, 0)
        queued = await submit(api, small_plant.container_ids[-70:])  # its only worker is frozen
        await asyncio.sleep(0.01)
        count, oldest = await waiting()
        assert (count, oldest > 0) == (1, True)
    await ended(api, queued)


async def test_a_worker_counts_what_it_fetched_and_committed(
    api: httpx.AsyncClient, job_id: str, worker_port: int
) -> None:
    status = (await api.get(f"/api/trace/job/{job_id}")).json()
    async with httpx.AsyncClient() as client:
        found = figures((await client.get(f"http://127.0.0.1:{worker_port}/metrics")).text)
    for domain, progress in status["progress"]["domains"].items():
        assert found["tracesvc_records_total", domain] >= progress["records"]
        assert found["tracesvc_unit_seconds_count", domain] >= progress["batches_done"]
    assert found["tracesvc_traces_ended_total", "", "job", "finished"] >= 1
    for name in ("queue_wait", "first_record", "slot_wait"):
        assert found[f"tracesvc_{name}_seconds_count",] >= 1
    assert found["tracesvc_chunk_bytes_count",] >= 2
    assert found["tracesvc_jobs_running",] <= 1  # it counts down a moment after the job's end is seen
    assert any(name[0] == "tracesvc_build_info" for name in found)
    assert any(name[0] == "process_resident_memory_bytes" for name in found)


def documents(stack: Stack) -> list[dict[str, Any]]:
    """Every log line but the greeting."""
    lines = [line for part in stack.parts for line in part.log.read_text().splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


async def test_logs_are_documents_and_the_audit_says_who_what_and_how_it_ended(
    stack: Stack, job_id: str
) -> None:
    def audited() -> list[dict[str, Any]]:
        return [each for each in documents(stack) if each.get("audit", {}).get("job_id") == job_id]

    await wait_until(audited)
    (line,) = audited()
    assert line["job_id"] == job_id
    assert line["audit"] | {"bytes": 0, "seconds": 0, "records": 0} == {
        "job_id": job_id, "caller": "anonymous", "profile": "query_tool", "domains": "history,holds",
        "containers": 2000, "records": 0, "bytes": 0, "attempts": 1, "outcome": "finished", "code": None,
        "seconds": 0,
    }  # fmt: skip
    assert line["audit"]["records"] > 2000


async def test_one_trace_leads_from_the_request_through_the_queue_to_the_statements(
    api: httpx.AsyncClient, small_plant: Plant, collector: Collector
) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = await api.post(
        "/api/trace/events",
        json={"profile": "query_tool", "container_ids": list(small_plant.container_ids[:50])},
        headers={"Prefer": "respond-async", "traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"},
    )
    await ended(api, str(answer.json()["job_id"]))

    def parts() -> set[str]:
        ours = [(part, span) for part, span in collector.spans if span.trace_id.hex() == trace_id]
        return {f"{part} {span.name}" for part, span in ours}

    wanted = {"tracesvc-worker job", "tracesvc-worker statement", "tracesvc-worker commit"}
    await wait_until(lambda: wanted <= parts() and any(name.startswith("tracesvc-api") for name in parts()))


async def test_one_screen_shows_the_whole_service(stack: Stack, job_id: str) -> None:
    env = child_env({"trace_url": stack.url})
    command = [sys.executable, "-m", "tracesvc", "status"]
    shown = subprocess.run(
        command, env=env, cwd=stack.folder, capture_output=True, text=True, check=True
    ).stdout
    assert shown.splitlines()[0].split() == [stack.url, "ok"]
    for text in (job_id, "workers", "database_slots", "0 wait or run", "MiB"):
        assert text in shown
    assert len(shown.splitlines()) <= 24


def test_a_service_that_is_not_there_is_one_line(tmp_path: Any) -> None:
    env = child_env({"trace_url": f"http://127.0.0.1:{free_port()}"})
    command = [sys.executable, "-m", "tracesvc", "status"]
    ended = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "does not answer" in ended.stderr
