"""GET /livez and /readyz: for whoever runs the service."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from redis.exceptions import RedisError

from tracesvc.errors import TraceError
from tracesvc.results.eviction import eviction_warning
from tracesvc.routes.deps import CALLER, PROBE_SECONDS, Known, Service

router = APIRouter(tags=["health"])


class Live(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Ready(BaseModel):
    """Whether all that serving takes is there: one entry per dependency, each with a `status` and details."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, dict[str, Any]]


LIVE: dict[str, Any] = {"response_model": None, "responses": {200: {"model": Live}}}
READY: dict[str, Any] = {
    "response_model": None,
    "responses": {200: {"model": Ready}, 503: {"model": Ready, "description": "Something is missing"}},
}

SOURCE_SECONDS = 3.0


@router.get("/livez", operation_id="get_live", summary="Is the process alive?", **LIVE)
async def get_live() -> Response:
    """200 as long as the process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", operation_id="get_ready", summary="Can it serve?", **READY)
async def get_ready(request: Request, svc: Known) -> Response:
    """One entry per dependency and worker; 503 unless Redis and the source answer and jobs can run.

    Without a credential, where one is needed, only whether it can serve.
    """
    redis, source = await asyncio.gather(_redis(svc), _source(svc))
    workers = (
        await _workers(svc) if redis["status"] != "unavailable" else {"status": "unknown", "workers": []}
    )
    slots = await _slots(svc) if redis["status"] != "unavailable" else {"status": "unknown"}
    checks = {"redis": redis, "source": source, "workers": workers, "database_slots": slots}
    needed = [redis, source] + ([workers] if svc.settings.trace_worker_enabled else [])
    ready = all(check["status"] in {"ok", "warning"} for check in needed)
    answer: dict[str, Any] = {"status": "ok" if ready else "unavailable"}
    if CALLER in request.scope:
        answer["checks"] = checks
    return JSONResponse(answer, status_code=200 if ready else 503)


async def _redis(svc: Service) -> dict[str, Any]:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            for redis in {svc.redis, svc.results}:
                await redis.ping()
            warning = await eviction_warning(svc.results) or await eviction_warning(svc.redis)
    except (RedisError, OSError):
        return {"status": "unavailable", "detail": "Redis does not answer"}
    return {"status": "warning", "detail": warning} if warning else {"status": "ok"}


async def _source(svc: Service) -> dict[str, Any]:
    try:
        async with asyncio.timeout(SOURCE_SECONDS):
            await svc.ping_source()
    except TimeoutError:
        return {"status": "unavailable", "detail": f"no answer within {SOURCE_SECONDS} s"}
    except TraceError as error:
        return {"status": "unavailable", "detail": error.detail}
    return {"status": "ok"}


async def _slots(svc: Service) -> dict[str, Any]:
    """Statements that run and wait for their turn, over all processes."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            found = await svc.slots.in_use()
    except (RedisError, OSError):
        return {"status": "unknown"}
    waiting = sum(found.waiting.values())
    return {"status": "ok", "limit": found.limit, "held": found.held, "waiting": waiting}


async def _workers(svc: Service) -> dict[str, Any]:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            found = await svc.queue.workers()
    except (RedisError, OSError):
        return {"status": "unavailable", "workers": []}
    workers = [{"name": name, "seen_seconds_ago": seconds} for name, seconds in sorted(found.items())]
    return {"status": "ok" if workers else "unavailable", "workers": workers}
