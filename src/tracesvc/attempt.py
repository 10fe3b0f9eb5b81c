"""One attempt at a job: taken under a lease, run from its last checkpoint, and let go, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any, Final

from redis.exceptions import RedisError

from tracesvc import clock, meters, spans
from tracesvc.audit import audit_job
from tracesvc.errors import JobFailed, JobNotFound, JobTimeout, LeaseLost, TraceError
from tracesvc.lines import Fault
from tracesvc.memory import give_memory_back
from tracesvc.query import TraceQuery
from tracesvc.results.bell import ring
from tracesvc.results.lease import Lease, keep_lease, release_lease
from tracesvc.results.status import JobStatus, read_status
from tracesvc.results.store import JobSink
from tracesvc.runner import Plan, run
from tracesvc.steps import Steps
from tracesvc.telemetry import current_job
from tracesvc.unit import Outage
from tracesvc.workbench import Workbench

logger = logging.getLogger(__name__)

LET_GO_SECONDS: Final = 5.0
INTERNAL: Final = Fault(
    code="INTERNAL_ERROR",
    message="The job broke off for a reason that stands in the worker's log, under its id.",
)
ALL_FAILED: Final = Fault(code=JobFailed.code, message="Every domain of the job failed; each says why.")


async def run_attempt(bench: Workbench, job_id: str) -> None:
    """Run one job as far as it goes. What goes wrong stands in the job's status and in the log."""
    current_job.set(job_id)
    lease = await bench.take(job_id)
    if lease is None:
        logger.info("nothing to do: the job is gone, ended or held by another worker")
        return
    logger.info("attempt %d begins", lease.attempt)
    meters.ATTEMPTS.inc()
    stopping = False
    try:
        with meters.JOBS_RUNNING.track_inprogress():
            await _run_leased(bench, lease)
    except asyncio.CancelledError:
        stopping = True
        raise
    except (RedisError, OSError, LeaseLost, JobNotFound) as error:
        logger.warning("attempt %d broke off: %s", lease.attempt, _reason(error))
    except Exception:
        logger.exception("attempt %d broke off", lease.attempt)
    finally:
        await _let_go(bench, lease, stopping=stopping)
        give_memory_back()


def _reason(error: Exception) -> str:
    return error.detail if isinstance(error, TraceError) else f"Redis was lost ({type(error).__name__})"


async def _let_go(bench: Workbench, lease: Lease, *, stopping: bool) -> None:
    """Release the job. When this worker stops, the next one goes on at once; else the reaper sees to it."""
    job_id = lease.keys.job_id
    with contextlib.suppress(RedisError, OSError, TraceError):
        async with asyncio.timeout(LET_GO_SECONDS):
            state, attempt = await release_lease(bench.results, lease, handed_back=stopping)
            if state == "running" and stopping:
                await bench.queue.queue_attempt(job_id, attempt + 1)
                logger.info("attempt %d is handed back: this worker stops", attempt)
            await ring(bench.results, lease.keys, bench.keys.bell)


async def _run_leased(bench: Workbench, lease: Lease) -> None:
    """Work and renew the lease side by side, until the work is done or the job is taken away."""
    with bench.bell.watch(f"cancel:{lease.keys.job_id}") as ring:
        work = asyncio.create_task(_work(bench, lease))
        keep = asyncio.create_task(keep_lease(bench.results, lease, ring, on_cancel=work.cancel))
        try:
            await asyncio.wait({work, keep}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and (keep.cancelled() or keep.exception() is not None):
                work.cancel()
            await asyncio.wait({work})
            if not work.cancelled():
                work.result()
            if keep.done() and not keep.cancelled():
                keep.result()
        finally:
            for task in (work, keep):
                task.cancel()
            await asyncio.gather(work, keep, return_exceptions=True)
    await _clear_up(bench, lease)


async def _clear_up(bench: Workbench, lease: Lease) -> None:
    """After the work: a cancelled job's keys go, an ended one stops counting against the limits."""
    status = await read_status(bench.results, lease.keys)
    if status.ended:
        audit_job(status)
    if status.state == "cancelled":  # who cancelled it has said so
        logger.info("stopped; its %d records go", status.records)
        await bench.queue.forget(status)
    elif status.ended:
        how = f"failed ({status.error['code']})" if status.error else status.state
        logger.info("%s, %d records in %.1f s", how, status.records, status.elapsed_seconds)
        await bench.queue.settle(status)


async def _work(bench: Workbench, lease: Lease) -> None:
    status = await read_status(bench.results, lease.keys)
    if lease.attempt == 1:
        meters.QUEUE_SECONDS.observe(status.elapsed_seconds)
    with spans.gone_on(status.fields, "job", attempt=lease.attempt, containers=status.cid_count or 0):
        await _trace(bench, lease, status)


async def _trace(bench: Workbench, lease: Lease, status: JobStatus) -> None:
    """All stages of the job, each from where the last attempt left it."""
    sink = bench.sink(lease)
    outage = Outage(bench.fetcher.ping, bench.settings.trace_source_patience_seconds)
    steps = Steps(bench, lease, status, outage.look)
    deadline = _deadline(bench, status)
    error = await _outcome(bench, deadline, steps.before())
    status = await read_status(bench.results, lease.keys)  # now it knows its containers
    await sink.open(status.domains, status.cid_count)
    try:
        if error is None:
            plan = _plan(bench, status, steps.query)
            error = await _outcome(bench, deadline, run(plan, bench.fetcher, sink))
        if error is None and _all_failed(sink):
            error = ALL_FAILED
        if error is None:
            error = await _outcome(bench, deadline, steps.after())
    finally:
        for domain in sink.tallies:
            with contextlib.suppress(RedisError, OSError):
                await sink.drop(domain)
    await sink.end_job("finished" if error is None else "failed", error)


def _all_failed(sink: JobSink) -> bool:
    states = [tally.status for tally in sink.tallies.values()]
    return bool(states) and all(state == "failed" for state in states)


def _plan(bench: Workbench, status: JobStatus, query: TraceQuery) -> Plan:
    """What is left to do of the job's question."""
    settings = bench.settings
    return Plan(
        container_ids=query.container_ids,
        domains=tuple(name for name in status.domains if not status.domain_ended(name)),
        as_of=clock.plant_time(status.created_at or clock.now(), settings.trace_plant_timezone),
        unit_cids=settings.trace_unit_cids,
        domains_at_once=settings.trace_events_max_workers,
        units_at_once=settings.event_fetcher_max_workers,
        patience_seconds=settings.trace_source_patience_seconds,
        careful=status.lost_attempts > 1,  # this one apart
    )


def _deadline(bench: Workbench, status: JobStatus) -> float:
    """When the job's time is over, on the loop's clock."""
    used = (clock.now() - status.started_at).total_seconds() if status.started_at else 0.0
    left = max(0.0, bench.settings.trace_job_timeout_seconds - used)
    return asyncio.get_running_loop().time() + left


async def _outcome(bench: Workbench, deadline: float, work: Coroutine[Any, Any, None]) -> Fault | None:
    """Do a part of the job before its deadline; why it was not done, or None."""
    try:
        async with asyncio.timeout_at(deadline):
            await work
    except TimeoutError:
        seconds = bench.settings.trace_job_timeout_seconds
        return Fault(
            code=JobTimeout.code, message=f"The job did not finish within {seconds} s; what it has is kept."
        )
    except (LeaseLost, RedisError, OSError):
        raise
    except TraceError as error:
        return Fault(code=error.code, message=error.detail)
    except Exception:
        logger.exception("the trace broke off")
        return INTERNAL
    return None
