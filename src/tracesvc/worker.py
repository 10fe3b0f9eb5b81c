"""The worker: takes job ids from the queue and runs their traces; a composition root.

arq's worker loop carries the ids; leases, checkpoints and cancellation are the job's own (results/).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import time
from dataclasses import dataclass
from typing import Any, Final

import uvloop
from arq.connections import ArqRedis
from arq.worker import Worker, func
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tracesvc import clock
from tracesvc.catalogue import load_catalogue
from tracesvc.connect import connect_redis, open_fetcher, queue_limits
from tracesvc.errors import JobFailed, JobTimeout, LeaseLost, TraceError
from tracesvc.lines import Fault
from tracesvc.memory import give_memory_back, keep_memory_together
from tracesvc.query import TraceQuery
from tracesvc.queue import JOB_FUNCTION, SILENT_SECONDS, JobQueue, deserialize, serialize
from tracesvc.results.keys import Keys
from tracesvc.results.lease import Lease, keep_lease, release_lease, take_lease
from tracesvc.results.status import read_status
from tracesvc.results.store import JobSink
from tracesvc.runner import Plan, run
from tracesvc.settings import Settings
from tracesvc.sources import open_source
from tracesvc.telemetry import set_up_logging

logger = logging.getLogger(__name__)

ANNOUNCE_SECONDS: Final = 3.0
# arq polls for work; a pick-up was measured at 18-47 ms with this pause.
POLL_SECONDS: Final = 0.05
RECONNECT_SECONDS: Final = 1.0
MAX_ATTEMPTS: Final = 5
INTERNAL: Final = Fault(
    code="INTERNAL_ERROR",
    message="The job broke off for a reason that stands in the worker's log, under its id.",
)


def run_worker(settings: Settings) -> None:
    """Run jobs until SIGTERM or SIGINT. Blocks."""
    keep_memory_together()
    set_up_logging()
    uvloop.run(_serve(settings))


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every job of this process works with."""

    name: str
    settings: Settings
    redis: Redis
    keys: Keys
    queue: JobQueue
    fetcher: Any


async def _serve(settings: Settings) -> None:
    catalogue = load_catalogue(settings.trace_catalogue)
    source = open_source(settings, catalogue)
    redis = connect_redis(settings)
    keys = Keys(settings.trace_redis_prefix)
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
    slots = asyncio.Semaphore(settings.db_slow_max_concurrent)
    fetcher = open_fetcher(settings, source, catalogue, redis, slots)
    bench = _Bench(name, settings, redis, keys, JobQueue(redis, keys, queue_limits(settings)), fetcher)
    with contextlib.suppress(TraceError):  # a plant that cannot be read now is each job's own error
        await source.ping()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(part) for part in (stop.wait(), _announce(bench), _work(bench))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        done.pop().result()  # a part that died ends the process: better than a silent one
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(RedisError, OSError):
            await redis.zrem(keys.workers(settings.trace_worker_queue), name)
        await source.close()
        await redis.aclose()


async def _announce(bench: _Bench) -> None:
    """Say that this worker serves its queue, every few seconds."""
    key = bench.keys.workers(bench.settings.trace_worker_queue)
    while True:
        with contextlib.suppress(RedisError, OSError):
            now = time.time()
            async with bench.redis.pipeline(transaction=True) as pipe:
                pipe.zadd(key, {bench.name: now})
                pipe.zremrangebyscore(key, "-inf", now - 4 * SILENT_SECONDS)
                pipe.expire(key, 4 * SILENT_SECONDS)
                await pipe.execute()
        await asyncio.sleep(ANNOUNCE_SECONDS)


async def _work(bench: _Bench) -> None:
    """Run arq's loop, again after each loss of Redis, which ends it."""
    settings = bench.settings
    while True:
        pool = ArqRedis(
            connection_pool=bench.redis.connection_pool,
            job_serializer=serialize,
            job_deserializer=deserialize,
            default_queue_name=queue_limits(settings).queue,
        )
        worker = Worker(
            functions=[func(run_trace, name=JOB_FUNCTION, max_tries=1)],
            queue_name=queue_limits(settings).queue,
            redis_pool=pool,
            handle_signals=False,
            max_jobs=settings.trace_worker_max_jobs,
            job_timeout=settings.trace_job_timeout_seconds + 60,
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
        try:
            await worker.async_run()
        except (RedisError, OSError) as error:
            logger.warning("Redis was lost (%s); looking for work again in a moment", type(error).__name__)
        finally:
            for task in worker.tasks.values():
                task.cancel()
            await asyncio.gather(*worker.tasks.values(), return_exceptions=True)
        await asyncio.sleep(RECONNECT_SECONDS)


async def run_trace(ctx: dict[str, Any], job_id: str) -> None:
    """Run one job under its lease. What goes wrong stands in the job's status, not in arq's result."""
    bench: _Bench = ctx["bench"]
    settings, job = bench.settings, bench.keys.job(job_id)
    lease = await take_lease(
        bench.redis,
        job,
        worker=bench.name,
        seconds=settings.trace_lease_seconds,
        ttl_seconds=queue_limits(settings).running_ttl_seconds,
        bell=bench.keys.bell,
    )
    if lease is None:
        logger.info("%s: nothing to do, the job is gone, ended or held by another worker", job_id)
        return
    logger.info("%s: attempt %d begins", job_id, lease.attempt)
    try:
        query = await bench.queue.load(job_id)
        if query is not None:
            await _run_leased(bench, lease, query)
    finally:
        await _let_go(bench, lease)
        give_memory_back()


async def _let_go(bench: _Bench, lease: Lease) -> None:
    """Release the job; one that still runs, because Redis was lost or this worker stops, is queued again."""
    job_id = lease.keys.job_id
    with contextlib.suppress(RedisError, OSError, TraceError):
        await release_lease(bench.redis, lease)
        status = await read_status(bench.redis, lease.keys)
        if status.state == "running" and status.attempt == lease.attempt < MAX_ATTEMPTS:
            logger.warning("%s: attempt %d broke off; it is queued again", job_id, lease.attempt)
            await bench.queue.queue_attempt(job_id, lease.attempt + 1)
        await bench.redis.publish(bench.keys.bell, job_id)


async def _run_leased(bench: _Bench, lease: Lease, query: TraceQuery) -> None:
    """Work and renew the lease side by side, until the work is done or the job is taken away."""
    work = asyncio.create_task(_trace(bench, lease, query))
    keep = asyncio.create_task(keep_lease(bench.redis, lease, on_cancel=work.cancel))
    try:
        await asyncio.wait({work, keep}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done() and (keep.cancelled() or keep.exception() is not None):
            work.cancel()
        with contextlib.suppress(asyncio.CancelledError, LeaseLost):
            await work
    finally:
        for task in (work, keep):
            task.cancel()
        await asyncio.gather(work, keep, return_exceptions=True)
    await _clear_up(bench, lease)


async def _clear_up(bench: _Bench, lease: Lease) -> None:
    """After the work: a cancelled job's keys go, an ended one stops counting against the limits."""
    with contextlib.suppress(TraceError):
        status = await read_status(bench.redis, lease.keys)
        if status.state == "cancelled":
            await bench.queue.forget(status)
        await bench.queue.settle(status.job_id, status.owner)
        logger.info(
            "%s: %s, %d records in %.1f s",
            status.job_id,
            status.state,
            status.records,
            status.elapsed_seconds,
        )


async def _trace(bench: _Bench, lease: Lease, query: TraceQuery) -> None:
    settings = bench.settings
    limits = queue_limits(settings)
    status = await read_status(bench.redis, lease.keys)
    sink = JobSink(
        bench.redis,
        lease,
        bell=bench.keys.bell,
        running_ttl=limits.running_ttl_seconds,
        final_ttl=limits.ttl_seconds,
        max_bytes=settings.trace_job_max_result_bytes,
    )
    await sink.open(query.domain_names, len(query.container_ids))
    plan = Plan(
        container_ids=query.container_ids,
        domains=query.domain_names,
        as_of=clock.plant_time(status.created_at or clock.now(), settings.trace_plant_timezone),
        unit_cids=settings.trace_unit_cids,
        domains_at_once=settings.trace_events_max_workers,
        units_at_once=settings.event_fetcher_max_workers,
    )
    try:
        error = await _outcome(plan, bench, sink)
    finally:
        for domain in query.domain_names:
            await sink.drop(domain)
    if error is None and all(tally.status == "failed" for tally in sink.tallies.values()):
        error = Fault(code=JobFailed.code, message="Every domain of the job failed; each says why.")
    if error is not None:
        await sink.end_rest(error)
    await sink.finish("finished" if error is None else "failed", error)


async def _outcome(plan: Plan, bench: _Bench, sink: JobSink) -> Fault | None:
    seconds = bench.settings.trace_job_timeout_seconds
    try:
        async with asyncio.timeout(seconds):
            await run(plan, bench.fetcher, sink)
    except TimeoutError:
        return Fault(
            code=JobTimeout.code, message=f"The job did not finish within {seconds} s; what it has is kept."
        )
    except (LeaseLost, RedisError):
        raise
    except TraceError as error:
        return Fault(code=error.code, message=error.detail)
    except Exception:
        logger.exception("%s: the trace broke off", sink.job_id)
        return INTERNAL
    return None
