"""Every counter and histogram of a process, with its unit. What all processes share is read from Redis.

The API shows its own at /metrics, a worker at TRACE_WORKER_METRICS_ADDRESS. No label holds a name of
a caller, an id or anything else without bound.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from typing import Final, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)

from tracesvc import __version__

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
Info("tracesvc_build", "Which program this is.", registry=REGISTRY).info(
    {"version": __version__, "python": platform.python_version()}
)

SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
BYTES: Final = tuple(float(1024 * 4**power) for power in range(9))


def _histogram(
    name: str, meaning: str, labels: tuple[str, ...] = (), buckets: tuple[float, ...] = SECONDS
) -> Histogram:
    return Histogram(name, meaning, labels, buckets=buckets, registry=REGISTRY)


REQUESTS: Final = Counter(
    "tracesvc_requests", "Requests that were answered.", ("method", "route", "status"), registry=REGISTRY
)
REQUEST_SECONDS: Final = _histogram(
    "tracesvc_request_seconds", "From a request's head to the head of its answer.", ("route",)
)
RESPONSES_OPEN: Final = Gauge(
    "tracesvc_responses_open",
    "Answers that are being sent: streams, most of all.",
    ("route",),
    registry=REGISTRY,
)
RESPONSE_BYTES: Final = Counter(
    "tracesvc_response_bytes", "Bytes of answers, as sent.", ("route",), registry=REGISTRY
)
PROBLEMS: Final = Counter("tracesvc_problems", "Error answers by their code.", ("code",), registry=REGISTRY)

TRACES_ENDED: Final = Counter(
    "tracesvc_traces_ended",
    "Traces that ended; kind is job or answer.",
    ("kind", "outcome", "code"),
    registry=REGISTRY,
)
TRACE_SECONDS: Final = _histogram(
    "tracesvc_trace_seconds", "From the question to the end of a trace.", ("kind", "outcome")
)
TRACE_RECORDS: Final = Counter(
    "tracesvc_trace_records", "Records of ended traces.", ("kind",), registry=REGISTRY
)
QUEUE_SECONDS: Final = _histogram(
    "tracesvc_queue_wait_seconds", "From a job's question to its first attempt."
)
FIRST_RECORD_SECONDS: Final = _histogram(
    "tracesvc_first_record_seconds", "From an attempt's begin to its job's first committed records."
)
ATTEMPTS: Final = Counter("tracesvc_attempts", "Attempts at jobs that workers began.", registry=REGISTRY)
JOBS_RUNNING: Final = Gauge("tracesvc_jobs_running", "Jobs that this worker runs.", registry=REGISTRY)

UNIT_SECONDS: Final = _histogram(
    "tracesvc_unit_seconds", "One statement, from its start to its commit.", ("domain",)
)
UNIT_FAILURES: Final = Counter(
    "tracesvc_unit_failures",
    "Statements that failed; most are tried again.",
    ("domain", "code"),
    registry=REGISTRY,
)
CONTAINERS_FAILED: Final = Counter(
    "tracesvc_containers_failed",
    "Containers that could not be fetched for good.",
    ("domain",),
    registry=REGISTRY,
)
RECORDS: Final = Counter("tracesvc_records", "Records committed to Redis.", ("domain",), registry=REGISTRY)
COMMITTED_BYTES: Final = Counter(
    "tracesvc_committed_bytes", "Bytes committed to Redis.", ("domain",), registry=REGISTRY
)
CHUNK_BYTES: Final = _histogram("tracesvc_chunk_bytes", "Size of a stored line.", (), BYTES)
SLOT_SECONDS: Final = _histogram("tracesvc_slot_wait_seconds", "A statement's wait for a database slot.")


class Line(Protocol):
    """A stored line: its records, and its bytes."""

    @property
    def count(self) -> int:
        """Records."""
        ...

    @property
    def length(self) -> int:
        """Bytes."""
        ...


def count_commit(domain: str, lines: Sequence[Line], *, since: float | None) -> None:
    """A unit is in Redis. `since`: when the attempt began, if these are the job's first records."""
    RECORDS.labels(domain).inc(sum(line.count for line in lines))
    COMMITTED_BYTES.labels(domain).inc(sum(line.length for line in lines))
    for line in lines:
        CHUNK_BYTES.observe(line.length)
    if since is not None and lines:
        FIRST_RECORD_SECONDS.observe(time.monotonic() - since)
