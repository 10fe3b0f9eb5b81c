"""The worker: takes job ids from the queue and runs their traces; a composition root.

arq's worker loop carries the ids; lease, checkpoint and cancellation are the job's own (`attempt`, results/).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import uvloop
from arq.connections import ArqRedis
from arq.worker import Worker, func
from prometheus_client import start_http_server
from redis.exceptions import RedisError

from tracesvc import meters
from tracesvc.analyst import Analyst
from tracesvc.attempt import run_attempt
from tracesvc.catalogue import Catalogue, load_catalogue
from tracesvc.connect import (
    close_redis,
    connect_redis,
    connect_results,
    open_bell,
    open_fetcher,
    open_keys,
    open_statements,
    queue_limits,
    shared_slots,
)
from tracesvc.encoders import use_encoders
from tracesvc.errors import SettingsError, TraceError
from tracesvc.memory import keep_memory_together
from tracesvc.queue import JOB_FUNCTION, SILENT_SECONDS, JobQueue, deserialize, serialize
from tracesvc.reaper import reap
from tracesvc.results.eviction import warn_of_eviction
from tracesvc.settings import Settings
from tracesvc.sources import Source
from tracesvc.sources import open_source as open_configured_source
from tracesvc.spans import set_up_spans
from tracesvc.telemetry import set_up_logging
from tracesvc.workbench import Workbench

logger = logging.getLogger(__name__)

ANNOUNCE_SECONDS: Final = 3.0
# arq polls for work; a pick-up was measured at 18-47 ms with this pause.
POLL_SECONDS: Final = 0.05
RECONNECT_SECONDS: Final = 1.0
# Threads come back from DuckDB 250 times a second, and then wait for the GIL. Eight jobs of 1.2 M records
# took 4.37 s in the median, eight beside them with Python's own 5 ms 4.56 s.
SWITCH_SECONDS: Final = 0.0005

# Also when Redis is full: a worker that is not seen would turn "no memory" into "no workers".
# KEYS: workers. ARGV: name, now, the oldest to keep, seconds to live.
_ANNOUNCE: Final = """#!lua flags=allow-oom
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
"""

OpenSource = Callable[[Settings, Catalogue], Source]


def run_worker(settings: Settings, open_source: OpenSource = open_configured_source) -> None:
    """Run jobs until SIGTERM or SIGINT. Blocks. Jobs under way are handed back to the other workers then.

    `open_source` makes the source that jobs are read from.
    """
    keep_memory_together()
    use_encoders(settings.trace_encoder_threads)
    sys.setswitchinterval(SWITCH_SECONDS)
    set_up_logging(settings.trace_log_format, settings.trace_log_level)
    set_up_spans(settings.trace_otlp_endpoint, "worker")
    _show_metrics(settings.trace_worker_metrics_address)
    logging.getLogger("arq").setLevel(logging.CRITICAL)  # how an attempt ended, `attempt` has said already
    uvloop.run(_serve(settings, open_source))


def _show_metrics(address: str) -> None:
    """Serve this process's counters to Prometheus, from a thread of its own. Raises `SettingsError`."""
    if not address:
        return
    host, _, port = address.rpartition(":")
    try:
        start_http_server(int(port), host.strip("[]"), registry=meters.REGISTRY)
    except (OSError, OverflowError) as error:
        raise SettingsError(f"TRACE_WORKER_METRICS_ADDRESS: cannot listen on {address}: {error}") from None


async def _serve(settings: Settings, open_source: OpenSource) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _workbench(settings, open_source) as bench:
        parts = (stop.wait(), _announce(bench), _run_queue(bench), reap(bench))
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()  # a part that died ends the process: better than a silent one
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(RedisError, OSError):
                await bench.redis.zrem(bench.keys.workers(settings.trace_worker_queue), bench.name)


@contextlib.asynccontextmanager
async def _workbench(settings: Settings, open_source: OpenSource) -> AsyncIterator[Workbench]:
    """The clients of this process, closed at the end of the block."""
    catalogue = load_catalogue(settings.trace_catalogue)
    source = open_source(settings, catalogue)
    redis = connect_redis(settings)
    results = connect_results(settings, redis)
    keys, limits = open_keys(settings), queue_limits(settings)
    bell = open_bell(settings, redis, keys.signals)
    bell.start()
    slots = shared_slots(settings, redis, bell)
    analyst = Analyst(settings)
    try:
        await warn_of_eviction(redis, results)
        with contextlib.suppress(TraceError):  # a plant that cannot be read now is each job's own error
            await source.ping()
        yield Workbench(
            name=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}",
            settings=settings,
            redis=redis,
            results=results,
            keys=keys,
            bell=bell,
            queue=JobQueue(redis, results, keys, limits),
            limits=limits,
            fetcher=open_fetcher(settings, source, catalogue, redis, slots),
            statements=open_statements(settings, source, catalogue, slots),
            analyst=analyst,
        )
    finally:
        await analyst.close()
        await bell.stop()
        await source.close()
        await close_redis(redis, results)


async def _announce(bench: Workbench) -> None:
    """Say that this worker serves its queue, every few seconds."""
    key = bench.keys.workers(bench.settings.trace_worker_queue)
    while True:
        with contextlib.suppress(RedisError, OSError):
            now, kept = time.time(), 4 * SILENT_SECONDS
            args = [bench.name, repr(now), repr(now - kept), str(kept)]
            await bench.redis.eval(_ANNOUNCE, 1, key, *args)  # type: ignore[misc]
        await asyncio.sleep(ANNOUNCE_SECONDS)


async def _run_queue(bench: Workbench) -> None:
    """Run arq's loop, again after each loss of Redis, which ends it."""
    while True:
        worker = _arq_worker(bench)
        try:
            await worker.async_run()
        except (RedisError, OSError) as error:
            logger.warning("Redis was lost (%s); looking for work again in a moment", type(error).__name__)
        finally:
            for task in worker.tasks.values():
                task.cancel()
            await asyncio.gather(*worker.tasks.values(), return_exceptions=True)
        await asyncio.sleep(RECONNECT_SECONDS)


def _arq_worker(bench: Workbench) -> Worker:
    pool = ArqRedis(
        connection_pool=bench.redis.connection_pool,
        job_serializer=serialize,
        job_deserializer=deserialize,
        default_queue_name=bench.limits.queue,
    )
    return Worker(
        functions=[func(run_trace, name=JOB_FUNCTION, max_tries=1)],
        queue_name=bench.limits.queue,
        redis_pool=pool,
        handle_signals=False,
        max_jobs=bench.settings.trace_worker_max_jobs,
        job_timeout=bench.limits.message_seconds,
        keep_result=0,
        poll_delay=POLL_SECONDS,
        max_tries=1,
        retry_jobs=False,
        health_check_interval=60,
        job_serializer=serialize,
        job_deserializer=deserialize,
        ctx={"bench": bench},
        log_results=False,
    )


async def run_trace(ctx: dict[str, Any], job_id: str) -> None:
    """What a message in the queue stands for: one attempt at a job."""
    await run_attempt(ctx["bench"], job_id)
