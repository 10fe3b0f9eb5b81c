"""Errors as `application/problem+json` (RFC 9457): one handler for all (protocol.md, 1, Errors)."""

from __future__ import annotations

import logging
import secrets
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from tracesvc import meters
from tracesvc.errors import (
    InvalidParams,
    MethodNotAllowed,
    NotFound,
    QueueUnavailable,
    TraceError,
    Unavailable,
)
from tracesvc.query import MAX_MESSAGE_CHARACTERS, MAX_REPORTED_ERRORS

logger = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
RETRY_AFTER_SECONDS = "5"
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


def install(app: FastAPI) -> None:
    """Render every failure of the app as a problem document."""

    @app.exception_handler(TraceError)
    async def expected(_request: Request, error: TraceError) -> JSONResponse:
        return problem(error)

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: RequestValidationError) -> JSONResponse:
        return problem(_invalid(error))

    @app.exception_handler(HTTPException)
    async def from_router(request: Request, error: HTTPException) -> JSONResponse:
        return problem(_routing(request, error))

    @app.exception_handler(RedisError)
    async def redis_lost(_request: Request, error: RedisError) -> JSONResponse:
        logger.warning("Redis failed a request: %s", type(error).__name__)
        return problem(QueueUnavailable("Redis does not answer. Try again soon."))

    @app.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody reads it

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        number = secrets.token_hex(6)
        logger.error("%s: %s %s failed", number, request.method, request.url.path, exc_info=error)
        return problem(
            TraceError(f"Something went wrong on our side. The log has it under {number}.", id=number)
        )


def problem(error: TraceError) -> JSONResponse:
    """An error of the tree as a response, counted by its code."""
    meters.PROBLEMS.labels(error.code).inc()
    body: dict[str, Any] = {
        "type": f"urn:tracesvc:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
    }
    headers = dict(error.headers)
    if isinstance(error, Unavailable):
        headers.setdefault("Retry-After", RETRY_AFTER_SECONDS)
    return JSONResponse(body | error.fields, status_code=error.status, headers=headers, media_type=PROBLEM)


def _invalid(error: RequestValidationError) -> InvalidParams:
    found = [
        {
            "loc": [str(part)[:64] for part in e["loc"]],
            "msg": e["msg"][:MAX_MESSAGE_CHARACTERS],
            "type": e["type"],
        }
        for e in error.errors()[:MAX_REPORTED_ERRORS]
    ]
    first = found[0]
    return InvalidParams(f"{'.'.join(first['loc'])}: {first['msg']}", errors=found)


def _routing(request: Request, error: HTTPException) -> TraceError:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = _methods(request)
        return MethodNotAllowed(f"This route answers {allowed}.", headers={"Allow": allowed})
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFound("There is no such route. The routes stand in /docs.")
    if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return InvalidParams(str(error.detail), errors=[])
    return TraceError()


def _methods(request: Request) -> str:
    """Every method that some route of this path answers; the router itself names one route's only."""
    routes = request.app.router.routes
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    fits = [
        m for m, scope in scopes.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]
    return ", ".join(fits)
