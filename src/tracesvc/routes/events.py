"""POST /events: run a trace, at once or as a job."""

from __future__ import annotations

import asyncio
import logging
import time

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from tracesvc.errors import InvalidParams, QueueUnavailable
from tracesvc.query import Admission, TraceQuery, admit, parse_query
from tracesvc.routes import schemas
from tracesvc.routes.deps import ANYONE, Service, Svc, read_json_body
from tracesvc.routes.media import JSON, NDJSON, choose, document_response, guarded, stream_response

logger = logging.getLogger(__name__)
router = APIRouter(tags=["trace"])


@router.post("/events", operation_id="submit_trace", summary="Run a trace", **schemas.EVENTS)
async def submit_trace(request: Request, svc: Svc) -> Response:
    """Answered at once (200) when small, as a job (202) when large."""
    begun = time.monotonic()
    body = await read_json_body(request, svc.settings.trace_max_body_bytes)
    query = await asyncio.to_thread(
        parse_query,
        body,
        profiles=svc.catalogue.profiles,
        domains=svc.catalogue.domains,
        defaults=svc.catalogue.domains_of,
    )
    available = await svc.jobs_available()
    admission = admit(
        query,
        jobs_available=available,
        prefer_async="respond-async" in _tokens(request, "prefer"),
        async_threshold=svc.settings.trace_async_cid_threshold,
        at_once_limit=svc.settings.trace_events_cid_limit,
    )
    if query.seeds is not None:
        message = "seeds are not served yet: resolve them to container_ids first"
        raise InvalidParams(message, errors=[{"loc": ["seeds"], "msg": message, "type": "unsupported"}])
    if admission is Admission.JOB:
        return await _as_job(request, svc, query)
    media_type = choose(request.headers.get("accept"), (JSON, NDJSON))
    _warn_when_large(svc, query)
    answer = await svc.at_once.answer(query, redis_answers=available or await svc.redis_answers())
    seconds = time.monotonic() - begun
    if seconds > svc.settings.trace_slow_threshold_seconds:
        logger.warning("the first unit of a trace answered at once took %.1f s", seconds)
    pieces = guarded(answer, lambda: None)
    if media_type == JSON:
        response = document_response(pieces)
    else:
        response = stream_response(pieces, NDJSON, accept_encoding=request.headers.get("accept-encoding"))
    response.closing = answer.aclose
    return response


async def _as_job(request: Request, svc: Service, query: TraceQuery) -> Response:
    fresh = min(svc.catalogue.domains[name].cache_seconds for name in query.domain_names)
    try:
        job_id, deduplicated, state = await svc.queue.submit(
            query,
            ANYONE,
            batch_size=svc.settings.trace_stream_batch_size,
            fresh_seconds=fresh,
            renew="no-cache" in _tokens(request, "cache-control"),
        )
    except OSError as error:
        raise QueueUnavailable("Redis was lost while the job was queued. Try again.") from error
    base = f"/api/trace/job/{job_id}"
    answer = {
        "stage": "events",
        "async": True,
        "job_id": job_id,
        "status": state,
        "cid_count": len(query.container_ids),
        "deduplicated": deduplicated,
        "status_url": base,
        "stream_url": f"{base}/stream",
        "result_url": f"{base}/result",
    }
    return JSONResponse(answer, status_code=202, headers={"Location": base})


def _tokens(request: Request, header: str) -> set[str]:
    """What a header asks for, each without its parameters (RFC 7240, RFC 9111)."""
    parts = ",".join(request.headers.getlist(header)).split(",")
    return {part.split(";")[0].strip().lower() for part in parts}


def _warn_when_large(svc: Service, query: TraceQuery) -> None:
    count = len(query.container_ids)
    if count > svc.settings.trace_events_cid_limit:
        logger.warning("a trace of cid_count=%d is answered at once, as no worker serves the queue", count)
