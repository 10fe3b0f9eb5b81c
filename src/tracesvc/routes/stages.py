"""POST /seed-resolve and POST /lineage: stages 1 and 2 by themselves, at once or as a job."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tracesvc.query import Admission, StageQuery
from tracesvc.routes import operations
from tracesvc.routes.deps import Service, Svc, read_json_body
from tracesvc.routes.media import JSON, Streamed, choose
from tracesvc.routes.submission import answer_with_job, prefers_async, tokens
from tracesvc.stage_query import admit_stage, parse_lineage, parse_seed_resolve

router = APIRouter(tags=["stages"])


@router.post(
    "/seed-resolve", operation_id="resolve_seeds", summary="From names to containers", **operations.SEEDS
)
async def resolve_seeds(request: Request, svc: Svc) -> Response:
    """Stage 1: the containers that names of lots, wafers, orders, or a range of days, stand for."""
    body = await read_json_body(request, svc.settings.trace_max_body_bytes)
    query = await asyncio.to_thread(
        parse_seed_resolve, body, profiles=svc.catalogue.profiles, station_of=svc.catalogue.station_of
    )
    return await _answer(request, svc, query)


@router.post(
    "/lineage", operation_id="trace_lineage", summary="Ancestors or descendants", **operations.LINEAGE
)
async def trace_lineage(request: Request, svc: Svc) -> Response:
    """Stage 2: everything upstream or downstream of the containers, through splits, merges and rework."""
    body = await read_json_body(request, svc.settings.trace_max_body_bytes)
    query = await asyncio.to_thread(parse_lineage, body, profiles=svc.catalogue.profiles)
    return await _answer(request, svc, query)


async def _answer(request: Request, svc: Service, query: StageQuery) -> Response:
    settings = svc.settings
    available = await svc.jobs_available()
    admission = admit_stage(
        query,
        jobs_available=available,
        prefer_async=prefers_async(request),
        thresholds={
            "values": settings.trace_seed_async_value_threshold,
            "days": settings.trace_seed_async_day_threshold,
            "ids": settings.trace_lineage_async_cid_threshold,
        },
        at_once_limit=settings.trace_events_cid_limit,
    )
    if admission is Admission.JOB:
        return await answer_with_job(request, svc, query, query.stage)
    choose(request.headers.get("accept"), (JSON,))
    answer = await svc.stages.answer(
        query,
        redis_answers=available or await svc.redis_answers(),
        renew="no-cache" in tokens(request, "cache-control"),
    )
    response = Streamed(answer, media_type=JSON, headers={"Cache-Control": "no-store"})
    response.closing = answer.aclose
    return response
