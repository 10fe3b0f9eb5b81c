"""The reaper: finds jobs that nobody works on any more, and has them gone on with, or ended.

Every worker has one, and one of them acts at a time. It trusts only the job's own keys: a job that waits or
runs stands among the active ones, and one that is worked on has a lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

from redis.exceptions import ConnectionError as RedisLost
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from tracesvc.audit import audit_job
from tracesvc.errors import JobNotFound, JobTimeout, TraceError, WorkerLost
from tracesvc.lines import Fault
from tracesvc.results.lease import release_lease
from tracesvc.results.lifetime import expire_together
from tracesvc.results.status import JobStatus, read_held, read_status
from tracesvc.workbench import Workbench

logger = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS: Final = 3.0
PASSES_PER_LEASE: Final = 5
# One reaper acts for a while, also when Redis is full. KEYS: reaper. ARGV: worker, ms.
_ACT: Final = """#!lua flags=allow-oom
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
"""
# A message that a worker took and never began, because it died between the two: counted as an attempt, once.
# KEYS: meta, lease. ARGV: attempts begun so far.
_SKIP_ATTEMPT: Final = """#!lua flags=allow-oom
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local begun = redis.call('HMGET', KEYS[1], 'status', 'attempt')
if not begun[1] or (begun[2] or '0') ~= ARGV[1] then return 0 end
return redis.call('HINCRBY', KEYS[1], 'attempt', 1)
"""


async def reap(bench: Workbench) -> None:
    """Look after abandoned jobs until cancelled."""
    pause = min(LONGEST_PAUSE_SECONDS, bench.settings.trace_lease_seconds / PASSES_PER_LEASE)
    name = bench.keys.reaper(bench.limits.workers)
    while True:
        with contextlib.suppress(RedisError, OSError):
            milliseconds = str(max(1, round(pause * 1000)))
            if await bench.redis.eval(_ACT, 1, name, bench.name, milliseconds):  # type: ignore[misc]
                await _pass(bench)
        await asyncio.sleep(pause)


async def _pass(bench: Workbench) -> None:
    for job_id in await bench.queue.active_ids():
        try:
            status, held = await read_held(bench.results, bench.keys.job(job_id))
            if not held:
                await _look_after(bench, status)
        except JobNotFound:
            await bench.queue.settle_lost(job_id)
        except (RedisLost, RedisTimeout, OSError):
            raise
        except Exception:  # of one job, which must not keep the others from being looked after
            logger.exception("%s: cannot be looked after", job_id)


async def _look_after(bench: Workbench, status: JobStatus) -> None:
    """One job that no worker holds: nothing to do when it waits in the queue."""
    if status.state == "cancelled":
        await bench.queue.forget(status)
    elif status.ended:  # its worker died between the end and this
        job = bench.keys.job(status.job_id)
        await expire_together(bench.results, job, status, bench.limits.ttl_seconds)
        await bench.queue.settle(status)
    elif status.state == "running" and status.lost_attempts >= bench.settings.trace_job_max_attempts:
        message = f"{status.lost_attempts} workers were lost while they ran this job; what it has is kept."
        await _end(bench, status, Fault(code=WorkerLost.code, message=message))
    elif status.overdue_seconds(bench.settings.trace_job_timeout_seconds) > 0:
        message = "No worker ran the job in its time; what it has is kept. Try again when workers are free."
        await _end(bench, status, Fault(code=JobTimeout.code, message=message))
    else:
        await _queue_again(bench, status)


async def _queue_again(bench: Workbench, status: JobStatus) -> None:
    """Put the job before the workers, unless it is there already."""
    job_id, begun = status.job_id, status.attempts_begun
    attempt = begun + 1
    claimed = await bench.queue.claimed_seconds_ago(job_id, attempt)
    if claimed is not None:
        if claimed < bench.settings.trace_lease_seconds:
            return
        job = bench.keys.job(job_id)
        skipped = await bench.results.eval(_SKIP_ATTEMPT, 2, job.meta, job.lease, str(begun))  # type: ignore[misc]
        if not skipped:
            return
        attempt = int(skipped) + 1
    with contextlib.suppress(TraceError):
        if await bench.queue.queue_attempt(job_id, attempt):
            why = "its worker was lost" if begun else "it stood in no queue"
            logger.warning("%s: %s; attempt %d is queued", job_id, why, attempt)


async def _end(bench: Workbench, status: JobStatus, fault: Fault) -> None:
    """Take the job, to end it with what it has."""
    lease = await bench.take(status.job_id, attempt=False)
    if lease is None:
        return
    sink = bench.sink(lease)
    with contextlib.suppress(TraceError):
        await sink.open(status.domains, status.cid_count)
        await sink.end_job("failed", fault)
        logger.warning("%s: failed, %s", status.job_id, fault.code)
        audit_job(await read_status(bench.results, lease.keys))
    await release_lease(bench.results, lease)
    await bench.queue.settle(status)
    await bench.queue.discard_messages(status.job_id, status.attempts_begun + 1)
