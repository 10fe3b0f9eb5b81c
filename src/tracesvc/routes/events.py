"""POST /events: run a trace, at once or as a job."""

from __future__ import annotations

import asyncio
import logging
import time

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tracesvc.query import Admission, TraceQuery, admit, parse_query
from tracesvc.routes import operations
from tracesvc.routes.deps import Service, Svc, read_json_body
from tracesvc.routes.media import JSON, NDJSON, choose, document_response, guarded, stream_response
from tracesvc.routes.submission import answer_with_job, prefers_async

logger = logging.getLogger(__name__)
router = APIRouter(tags=["trace"])


@router.post("/events", operation_id="submit_trace", summary="Run a trace", **operations.EVENTS)
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
        station_of=svc.catalogue.station_of,
    )
    available = await svc.jobs_available()
    admission = admit(
        query,
        jobs_available=available,
        prefer_async=prefers_async(request),
        async_threshold=svc.settings.trace_async_cid_threshold,
        at_once_limit=svc.settings.trace_events_cid_limit,
    )
    if admission is Admission.JOB:
        return await answer_with_job(request, svc, query, "events")
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


def _warn_when_large(svc: Service, query: TraceQuery) -> None:
    count = len(query.container_ids)
    if count > svc.settings.trace_events_cid_limit:
        logger.warning("a trace of cid_count=%d is answered at once, as no worker serves the queue", count)
