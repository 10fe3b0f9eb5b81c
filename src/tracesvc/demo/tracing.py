"""One trace by a client that trusts nothing: it asks by HTTP, reads the raw stream, and checks every line."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import psutil
import redis.asyncio as redis

from tracesvc.client.decoder import LineDecoder
from tracesvc.demo.child import Child
from tracesvc.demo.ledger import Ledger, StreamWrong
from tracesvc.errors import TraceError

ACCEPTED: Final = 202
SUBMIT_SECONDS: Final = 60.0
SILENCE_SECONDS: Final = 30.0
MEMORY_BATCH_KEYS: Final = 500


class NotTraced(TraceError):
    """The service did not take the trace as a job."""

    title = "The trace was not accepted"


@dataclass(frozen=True)
class Traced:
    """A finished trace: seconds count from the POST; `wire_bytes` are those of the compressed body."""

    job_id: str
    first_record_seconds: float
    seconds: float
    wire_bytes: int


class ZstdLines(LineDecoder):
    """Lines out of a body of zstd frames, and whether it ended at the end of one."""

    def __init__(self) -> None:
        super().__init__("zstd")

    def flush(self) -> None:
        """The body ended: raises `StreamWrong` inside a frame or a line."""
        if not self.is_between_lines:
            raise StreamWrong("the stream was cut inside a line")


async def trace(
    client: httpx.AsyncClient, container_ids: Sequence[str], ledger: Ledger, tell: Callable[[], None]
) -> Traced:
    """Ask for everything `query_tool` knows of these containers as a job, and follow its stream to the end.

    `tell` is called after each line. Raises `NotTraced` when no job was made, `StreamWrong` for a bad stream.
    """
    began = time.perf_counter()
    body = orjson.dumps({"profile": "query_tool", "container_ids": container_ids})
    wish = {"Content-Type": "application/json", "Prefer": "respond-async", "Cache-Control": "no-cache"}
    answer = await client.post("/api/trace/events", content=body, headers=wish, timeout=SUBMIT_SECONDS)
    if answer.status_code != ACCEPTED:
        raise NotTraced(f"POST /api/trace/events: HTTP {answer.status_code}, {answer.text[:500]}")
    job = answer.json()
    lines, wire_bytes, first = ZstdLines(), 0, None
    accept = {"Accept": "application/x-ndjson", "Accept-Encoding": "zstd"}
    async with client.stream("GET", job["stream_url"], headers=accept, timeout=SILENCE_SECONDS) as stream:
        if stream.headers.get("content-encoding") != "zstd":
            await stream.aread()
            raise StreamWrong(f"GET {job['stream_url']}: HTTP {stream.status_code}, not encoded as zstd")
        async for piece in stream.aiter_raw():
            wire_bytes += len(piece)
            for line in lines.decode(piece):
                if ledger.enter(line) == "records" and first is None:
                    first = time.perf_counter() - began
                tell()
    lines.flush()
    ledger.close()
    seconds = time.perf_counter() - began
    return Traced(job["job_id"], seconds if first is None else first, seconds, wire_bytes)


async def committed_counts(client: httpx.AsyncClient, job_id: str) -> dict[str, int]:
    """Records per domain that the job's status says are committed."""
    answer = await client.get(f"/api/trace/job/{job_id}", timeout=SILENCE_SECONDS)
    answer.raise_for_status()
    domains: dict[str, Any] = answer.json()["progress"]["domains"]
    return {name: int(domain["records"]) for name, domain in domains.items()}


async def stored_bytes(redis_url: str, prefix: str, job_id: str) -> int:
    """Bytes of memory that the job's keys take in Redis, by MEMORY USAGE."""
    pattern = re.sub(r"([\\*?\[\]])", r"\\\1", prefix) + f"trace:job:{job_id}:*"
    async with redis.Redis.from_url(redis_url) as store:
        keys = [key async for key in store.scan_iter(match=pattern, count=1000)]
        total = 0
        for start in range(0, len(keys), MEMORY_BATCH_KEYS):
            part = keys[start : start + MEMORY_BATCH_KEYS]
            async with store.pipeline(transaction=False) as pipe:
                for key in part:
                    pipe.memory_usage(key, samples=0)
                sizes = await pipe.execute()
            total += sum(size or 0 for size in sizes)
        return total


def peak_bytes(children: Sequence[Child]) -> int:
    """The highest resident memory that any process of these children ever had, in bytes.

    Where the system does not keep the peak (outside Linux) it is what they hold now.
    """
    tethers = [psutil.Process(child.pid) for child in children if child.pid is not None]
    return max(
        (_peak(process) for tether in tethers for process in tether.children(recursive=True)), default=0
    )


def _peak(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return int(process.memory_info().rss)
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
