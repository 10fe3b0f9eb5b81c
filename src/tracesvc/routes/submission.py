"""Answering with a job: queued, or the one that answers the question already."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from tracesvc.errors import QueueUnavailable
from tracesvc.query import StageName, TraceQuery
from tracesvc.routes.deps import ANYONE, Service


async def answer_with_job(request: Request, svc: Service, query: TraceQuery, stage: StageName) -> Response:
    """202 with the job's addresses. `stage` is what was asked for, in the answer's own words."""
    seconds = [svc.catalogue.domains[name].cache_seconds for name in query.domain_names]
    if query.stages[0] != "events":
        seconds.append(svc.settings.trace_stage_cache_seconds)
    try:
        job_id, deduplicated, state = await svc.queue.submit(
            query,
            ANYONE,
            batch_size=svc.settings.trace_stream_batch_size,
            fresh_seconds=min(seconds),
            renew="no-cache" in tokens(request, "cache-control"),
        )
    except OSError as error:
        raise QueueUnavailable("Redis was lost while the job was queued. Try again.") from error
    base = f"/api/trace/job/{job_id}"
    answer = {
        "stage": stage,
        "async": True,
        "job_id": job_id,
        "status": state,
        "cid_count": query.cid_count,
        "deduplicated": deduplicated,
        "status_url": base,
        "stream_url": f"{base}/stream",
        "result_url": f"{base}/result",
    }
    return JSONResponse(answer, status_code=202, headers={"Location": base})


def prefers_async(request: Request) -> bool:
    """Whether the caller wants a job, whatever the size (RFC 7240)."""
    return "respond-async" in tokens(request, "prefer")


def tokens(request: Request, header: str) -> set[str]:
    """What a header asks for, each without its parameters (RFC 7240, RFC 9111)."""
    parts = ",".join(request.headers.getlist(header)).split(",")
    return {part.split(";")[0].strip().lower() for part in parts}
