"""Jobs: list, status, cancel."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from tracesvc.errors import JobNotFound, QueueUnavailable
from tracesvc.results.legacy_job import legacy_status
from tracesvc.results.status import JobStatus
from tracesvc.routes import operations
from tracesvc.routes.deps import Service, Svc

router = APIRouter(tags=["jobs"])

CANCEL_SECONDS = 5.0
LOOK_SECONDS = 1.0


@router.get("/jobs", operation_id="list_jobs", summary="List jobs", **operations.JOBS)
async def list_jobs(svc: Svc, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> Response:
    """The caller's jobs, newest first; an operator's list has everybody's."""
    if not await svc.redis_answers():
        raise QueueUnavailable(
            "Redis does not answer; jobs cannot be listed now.", headers={"Retry-After": "5"}
        )
    found = await svc.queue.jobs("" if svc.caller.sees_all else svc.caller.name, limit)
    waiting = await _waiting(svc, found)
    return JSONResponse({"jobs": [status.document(waiting.get(status.job_id, 0)) for status in found]})


@router.get("/job/{job_id}", operation_id="get_job", summary="Status and progress", **operations.STATUS)
async def get_job(job_id: str, svc: Svc, wait: Annotated[float, Query(ge=0, le=30)] = 0) -> Response:
    """The job's status; `wait` holds the answer until something changes, or so many seconds."""
    status = await find_job(svc, job_id)
    deadline = time.monotonic() + wait
    with svc.bell.watch(job_id) as ring:
        before = _changing(status)
        while not status.ended and _changing(status) == before and (left := deadline - time.monotonic()) > 0:
            await ring.wait(min(left, LOOK_SECONDS))
            status = await svc.status(job_id)
    return JSONResponse(status.document((await _waiting(svc, [status])).get(job_id, 0)))


@router.delete("/job/{job_id}", operation_id="cancel_job", summary="Cancel and free", **operations.DELETE)
async def cancel_job(job_id: str, svc: Svc) -> Response:
    """Cancel the job if it still runs, and free its result. Answers once nothing runs, or 202 after 5 s."""
    status = await find_job(svc, job_id)
    if status.legacy:
        await svc.results.delete(svc.job(job_id).legacy)
        return JSONResponse({"status": status.state})
    with svc.bell.watch(job_id) as ring:
        before, held = await svc.queue.cancel(job_id)
        deadline = time.monotonic() + CANCEL_SECONDS
        while held and (left := deadline - time.monotonic()) > 0:
            await ring.wait(min(left, LOOK_SECONDS))
            held = bool(await svc.results.exists(svc.job(job_id).lease))
    if held:
        return JSONResponse({"status": "cancelling"}, status_code=202)
    await svc.queue.forget(await _newest(svc, status))
    svc.analyst.forget(job_id)
    before = before or status.state  # another DELETE was faster
    return JSONResponse({"status": before if before in {"finished", "failed"} else "cancelled"})


async def _waiting(svc: Service, found: Sequence[JobStatus]) -> dict[str, int]:
    """Statements that wait for a database slot, by job."""
    if all(status.state != "running" for status in found):
        return {}
    return (await svc.slots.in_use()).waiting


async def _newest(svc: Service, status: JobStatus) -> JobStatus:
    """The status now: while it was cancelled the worker may have committed more, or cleared up itself."""
    try:
        return await svc.status(status.job_id)
    except JobNotFound:
        return status


def _changing(status: JobStatus) -> dict[str, Any]:
    document = status.document()
    counts = {domain: progress.model_dump() for domain, progress in status.progress().items()}
    return {
        "status": document["status"],
        "stage": document["stage"],
        "counts": counts,
        "attempt": status.attempt,
    }


async def find_job(svc: Service, job_id: str) -> JobStatus:
    """The job's status, also of a result that the older layout left."""
    try:
        return await svc.status(job_id)
    except JobNotFound:
        legacy = await legacy_status(svc.results, svc.job(job_id), svc.settings.trace_stream_batch_size)
        if legacy is None or not svc.caller.sees_all:  # nobody knows whose it is
            raise
        return legacy
