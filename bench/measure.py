"""What is measured of each side, and in which order: every figure of the table, as plain numbers."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

import orjson

from bench.processes import peak_bytes
from bench.sides import DOMAIN, IDENTITY, PAGE_RECORDS, ZSTD, JobRun, Naive, Ours, naive, ours
from bench.store import Gets, Store
from bench.wire import OpenStreams, Refused, read_side_by_side, read_through

Tell = Callable[[str], None]

JOB_ROUNDS: Final = 3
STREAM_ROUNDS: Final = 5
PAGE_ROUNDS: Final = 9
FIRST_RECORD_ROUNDS: Final = 15
SMALLEST_JOB_IDS: Final = 20_001
OPEN_STREAMS: Final = 20
OPEN_SECONDS: Final = 10.0
OPENED_SECONDS: Final = 0.5
TENTH: Final = 10
MEMORY_ROUNDS: Final = 3


@dataclass(frozen=True)
class Memory:
    """Peaks of fresh processes, in bytes: the worker after one job, the API with streams and a page open."""

    worker: int
    api: int
    streams: OpenStreams


@dataclass
class OurFigures:
    """Of tracesvc and the limits, at full size. Times are in seconds, one a round."""

    job: JobRun
    memory: Memory
    zstd: list[float] = field(default_factory=list)
    identity: list[float] = field(default_factory=list)
    gets: list[Gets] = field(default_factory=list)
    pages: list[list[float]] = field(default_factory=list)
    first_all: list[float] = field(default_factory=list)
    first_few: list[float] = field(default_factory=list)
    stored: int = 0


@dataclass(frozen=True)
class NaiveFigures:
    """Of the obvious design, at full size, once: a job takes a minute or so."""

    job: JobRun
    memory: Memory
    pages: list[float]
    stored: int


@dataclass
class WholeJobs:
    """Seconds of whole jobs and of the bare source loop, one a round, all in turn."""

    ours: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)
    loops: list[float] = field(default_factory=list)
    parsed_loops: list[float] = field(default_factory=list)


def page_offsets(records: int) -> list[int]:
    """The first page, one from the middle, the last one."""
    return [0, records // 2, records - PAGE_RECORDS]


def memory_of_ours(redis_url: str, source_url: str, ids: Sequence[str]) -> Memory:
    """The peaks of fresh processes after one job of these ids."""
    with ours(redis_url, source_url) as side:
        found = _memory(side, side.run(ids), IDENTITY)
    return steadied(redis_url, source_url, ids, found)


def steadied(redis_url: str, source_url: str, ids: Sequence[str], found: Memory) -> Memory:
    """The same, with the worker's the middle of `MEMORY_ROUNDS` fresh workers: one alone is off by 10 %."""
    peaks = [found.worker]
    for _ in range(MEMORY_ROUNDS - 1):
        with ours(redis_url, source_url) as side:
            side.run(ids)
            peaks.append(peak_bytes(side.worker_pid))
    return replace(found, worker=int(middle(peaks)))


def measure_ours(redis_url: str, source_url: str, ids: Sequence[str], store: Store, tell: Tell) -> OurFigures:
    """Everything of tracesvc at full size, between it the limits."""
    with ours(redis_url, source_url) as side:
        tell("tracesvc: one job in fresh processes, then 20 streams")
        job = side.run(ids)
        found = OurFigures(job, _memory(side, job, IDENTITY))
        found.stored = store.memory_usage(side.key_pattern(job.job_id))
        tell("tracesvc: pages, streams and bare GETs")
        _pages(side, found)
        _streams(side, found, store)
        tell("tracesvc: time to first record")
        for _ in range(FIRST_RECORD_ROUNDS):
            found.first_all.append(side.first_record_seconds(ids))
            found.first_few.append(side.first_record_seconds(ids[:SMALLEST_JOB_IDS]))
    tell("tracesvc: whole jobs in fresh workers, for their memory")
    found.memory = steadied(redis_url, source_url, ids, found.memory)
    return found


def measure_naive(
    redis_url: str, source_url: str, ids: Sequence[str], store: Store, tell: Tell
) -> NaiveFigures:
    """The obvious design at full size."""
    with naive(redis_url, source_url) as side:
        tell("the obvious design: one job and its stream")
        job = side.run(ids)
        stored = store.memory_usage(side.key_pattern(job.job_id))
        tell("the obvious design: 20 streams")
        memory = _memory(side, job, IDENTITY)
        tell("the obvious design: pages")
        pages = [
            _timed(lambda at=offset: side.page(job.job_id, at))  # type: ignore[misc]
            for offset in page_offsets(job.records)
        ]
    return NaiveFigures(job, memory, pages, stored)


def measure_jobs(redis_url: str, source_url: str, ids: Sequence[str], tell: Tell) -> WholeJobs:
    """Both designs and the limit in turn, so that a slow spell of the machine falls on all of them."""
    tell("whole jobs of both designs, between them the bare source loop")
    found = WholeJobs()
    with ours(redis_url, source_url) as side, naive(redis_url, source_url) as other:
        first = side.run(ids)
        for _ in range(JOB_ROUNDS):
            found.loops.append(_source_loop(source_url, first.records))
            found.ours.append(_same(side.run(ids), first).seconds)
            found.parsed_loops.append(_source_loop(source_url, first.records, "parsed"))
            found.ours.append(_same(side.run(ids), first).seconds)
            found.naive.append(_same(other.run(ids), first).seconds)
    return found


def _memory(side: Ours | Naive, job: JobRun, headers: dict[str, str]) -> Memory:
    """Streams are open while somebody turns a page, as happens all day."""
    with ThreadPoolExecutor(1) as other_reader:
        page = other_reader.submit(_page_while_streams_wait, side, job)
        streams = read_side_by_side(
            side.port,
            side.stream_path(job.job_id),
            headers=headers,
            count=OPEN_STREAMS,
            seconds=OPEN_SECONDS,
        )
        page.result()
    return Memory(peak_bytes(side.worker_pid), peak_bytes(side.api_pid), streams)


def _page_while_streams_wait(side: Ours | Naive, job: JobRun) -> None:
    time.sleep(OPENED_SECONDS)
    side.page(job.job_id, job.records // 2)


def _pages(side: Ours, found: OurFigures) -> None:
    offsets = page_offsets(found.job.records)
    rounds = [
        [_timed(lambda at=offset: side.page(found.job.job_id, at)) for offset in offsets]  # type: ignore[misc]
        for _ in range(PAGE_ROUNDS)
    ]
    found.pages = [list(times) for times in zip(*rounds, strict=True)]


def _streams(side: Ours, found: OurFigures, store: Store) -> None:
    """In turn, so that a busy moment of the machine falls on all three."""
    path, checked = side.stream_path(found.job.job_id), side.check(found.job.job_id)
    for _ in range(STREAM_ROUNDS):
        began = time.perf_counter()
        size = read_through(side.port, path, headers=ZSTD)
        found.zstd.append(time.perf_counter() - began)
        if size != checked:
            raise Refused(f"a stream has {size} bytes, the one that was checked {checked}")
        found.gets.append(store.get_chunks(found.job.job_id, DOMAIN))
        found.identity.append(_timed(lambda: read_through(side.port, path, headers=IDENTITY)))


def _source_loop(source_url: str, records: int, *how: str) -> float:
    command = [sys.executable, "-m", "bench.source_loop", source_url, DOMAIN, *how]
    found = orjson.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    if found["records"] != records:
        raise Refused(f"the bare loop found {found['records']} records, the job {records}")
    return float(found["seconds"])


def _same(job: JobRun, first: JobRun) -> JobRun:
    if job.records != first.records:
        raise Refused(f"two jobs over the same containers found {first.records} and {job.records} records")
    return job


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def middle(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)
