"""The two services that are measured, each in fresh processes: tracesvc, and the obvious design."""

from __future__ import annotations

import contextlib
import http.client
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from bench.processes import running
from bench.store import Store
from bench.wire import PIECE_BYTES, Refused, ask, opened, read_through
from tracesvc.demo.ledger import Ledger
from tracesvc.demo.tracing import ZstdLines
from tracesvc.demo.valkey import ValkeyServer, free_port, server_binary

DOMAIN: Final = "history"
PAGE_RECORDS: Final = 5000
JSON_BODY: Final = {"Content-Type": "application/json"}
NEW_JOB: Final = {**JSON_BODY, "Prefer": "respond-async", "Cache-Control": "no-cache"}
ZSTD: Final = {"Accept": "application/x-ndjson", "Accept-Encoding": "zstd"}
IDENTITY: Final = {"Accept": "application/x-ndjson", "Accept-Encoding": "identity"}
POLL_SECONDS: Final = 0.05
NAIVE: Final = Path(__file__).with_name("naive.py")


@dataclass(frozen=True)
class JobRun:
    """A job that was followed to its last line: seconds from its submission, of these the stream's."""

    job_id: str
    records: int
    seconds: float
    stream_seconds: float


@dataclass(frozen=True)
class Ours:
    """tracesvc: `python -m tracesvc api` and one `python -m tracesvc worker`."""

    port: int
    api_pid: int
    worker_pid: int

    def submit(self, ids: Sequence[str]) -> str:
        """Ask for a job of its own; its id."""
        body = orjson.dumps({"profile": "query_tool", "container_ids": ids, "domains": [DOMAIN]})
        return str(
            orjson.loads(ask(self.port, "POST", "/api/trace/events", headers=NEW_JOB, body=body))["job_id"]
        )

    def run(self, ids: Sequence[str]) -> JobRun:
        """Submit a job and read its stream while it runs, to the last line."""
        began = time.perf_counter()
        job_id = self.submit(ids)
        opened_at = time.perf_counter()
        read_through(self.port, self.stream_path(job_id), headers=ZSTD)
        ended = time.perf_counter()
        status = orjson.loads(ask(self.port, "GET", f"/api/trace/job/{job_id}"))
        if status["status"] != "finished" or status["failed_domains"]:
            raise Refused(f"a job did not finish: {status['status']}, {status['error']}")
        return JobRun(job_id, int(status["progress"]["records"]), ended - began, ended - opened_at)

    def check(self, job_id: str) -> int:
        """Read a finished job's zstd stream and check every line of it; the bytes of the body."""
        lines, ledger, size = ZstdLines(), Ledger(), 0
        with opened(self.port, "GET", self.stream_path(job_id), headers=ZSTD) as answer:
            while piece := answer.read1(PIECE_BYTES):
                size += len(piece)
                for line in lines.decode(piece):
                    ledger.enter(line)
        lines.flush()
        ledger.close()
        return size

    def first_record_seconds(self, ids: Sequence[str]) -> float:
        """From a POST to the first `records` line; the job is cancelled then."""
        began = time.perf_counter()
        job_id = self.submit(ids)
        with opened(self.port, "GET", self.stream_path(job_id), headers=ZSTD) as answer:
            lines, seconds = ZstdLines(), None
            while seconds is None and (piece := answer.read1(PIECE_BYTES)):
                if any(line.startswith(b'{"type":"records"') for line in lines.decode(piece)):
                    seconds = time.perf_counter() - began
        ask(self.port, "DELETE", f"/api/trace/job/{job_id}")
        if seconds is None:
            raise Refused("a stream ended without a record")
        return seconds

    def page(self, job_id: str, offset: int) -> None:
        """Read one page whole."""
        path = f"/api/trace/job/{job_id}/result?domain={DOMAIN}&offset={offset}&limit={PAGE_RECORDS}"
        _check_page(ask(self.port, "GET", path))

    @staticmethod
    def stream_path(job_id: str) -> str:
        """Where its stream is."""
        return f"/api/trace/job/{job_id}/stream"

    @staticmethod
    def key_pattern(job_id: str) -> str:
        """Its keys in Redis."""
        return f"trace:job:{job_id}:*"


@dataclass(frozen=True)
class Naive:
    """The obvious design (`naive.py`): its API and its worker."""

    port: int
    api_pid: int
    worker_pid: int

    def run(self, ids: Sequence[str]) -> JobRun:
        """Submit a job, wait for it, then read its stream to the last line: it has no live one."""
        body = orjson.dumps({"container_ids": ids, "domains": [DOMAIN]})
        began = time.perf_counter()
        job_id = str(orjson.loads(ask(self.port, "POST", "/events", headers=JSON_BODY, body=body))["job_id"])
        while (job := orjson.loads(ask(self.port, "GET", f"/job/{job_id}")))["status"] in {
            "queued",
            "running",
        }:
            time.sleep(POLL_SECONDS)
        if job["status"] != "finished":
            raise Refused(f"the obvious design's job failed: {job['error']}")
        opened_at = time.perf_counter()
        read_through(self.port, self.stream_path(job_id), headers=IDENTITY)
        ended = time.perf_counter()
        return JobRun(job_id, int(job["domains"][DOMAIN]["records"]), ended - began, ended - opened_at)

    def page(self, job_id: str, offset: int) -> None:
        """Read one page whole."""
        path = f"/job/{job_id}/result?domain={DOMAIN}&offset={offset}&limit={PAGE_RECORDS}"
        _check_page(ask(self.port, "GET", path))

    @staticmethod
    def stream_path(job_id: str) -> str:
        """Where its stream is."""
        return f"/job/{job_id}/stream"

    @staticmethod
    def key_pattern(job_id: str) -> str:
        """Its keys in Redis."""
        return f"naive:{job_id}:*"


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """An embedded server; its URL."""
    server = ValkeyServer(server_binary(), free_port(), "bench")
    launch = server.launch()
    with running(launch.argv, launch.env, scratch=launch.scratch) as process:
        process.wait_until(lambda: Store(server.url).answers())
        yield server.url


@contextlib.contextmanager
def ours(redis_url: str, source_url: str, **given: str) -> Iterator[Ours]:
    """Fresh processes of tracesvc, all of them ready; default settings, but what the database needs."""
    port = free_port()
    needed = {
        "TRACE_REDIS_URL": redis_url,
        "TRACE_SOURCE_URL": source_url,
        "TRACE_PORT": str(port),
        "EVENT_FETCHER_CACHE_SKIP_CID_THRESHOLD": "0",  # the source is measured, never the cache
        # They count as always, but nobody asks this often in a minute.
        **{f"TRACE_{kind}_RATE_LIMIT_MAX_REQUESTS": "100000" for kind in ("EVENTS", "JOB", "RESULT")},
    }
    env = _environment(**{**given, **needed})
    command = (sys.executable, "-m", "tracesvc")
    with running((*command, "api"), env) as api, running((*command, "worker"), env) as worker:
        api.wait_until(lambda: _answers(port, "/readyz"))
        yield Ours(port, api.pid, worker.pid)


@contextlib.contextmanager
def naive(redis_url: str, source_url: str) -> Iterator[Naive]:
    """Fresh processes of the obvious design."""
    port = free_port()
    given = ("--redis", redis_url, "--source", source_url, "--port", str(port))
    with running((sys.executable, str(NAIVE), "serve", *given), _environment()) as process:
        process.wait_until(lambda: _answers(port, "/health"))
        pids = orjson.loads(next(line for line in process.said.splitlines() if line.startswith("{")))
        yield Naive(port, pids["api_pid"], pids["worker_pid"])


def _environment(**given: str) -> Mapping[str, str]:
    """This process's environment without the service's settings, so that the defaults are measured."""
    ours = ("TRACE_", "DB_SLOW_", "EVENT_FETCHER_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONUNBUFFERED": "1", **given}


def _answers(port: int, path: str) -> bool:
    try:
        ask(port, "GET", path)
    except (OSError, http.client.HTTPException, Refused):
        return False
    return True


def _check_page(body: bytes) -> None:
    if f'"count":{PAGE_RECORDS}'.encode() not in body[:400]:
        raise Refused(f"a page does not hold {PAGE_RECORDS} records: {body[:200]!r}")
