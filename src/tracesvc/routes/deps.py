"""What the routes work with, and how a request's parts are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Protocol

from fastapi import Depends, Request
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tracesvc.access import ANYONE, Caller, Door
from tracesvc.analyst import Analyst
from tracesvc.catalogue import Catalogue
from tracesvc.errors import (
    BodyTooLarge,
    JobNotFound,
    QueueUnavailable,
    Unauthenticated,
    UnsupportedMediaType,
)
from tracesvc.pulse import Pulse
from tracesvc.query import StageQuery, TraceQuery
from tracesvc.queue import JobQueue
from tracesvc.rates import RateLimits
from tracesvc.results.bell import Bell
from tracesvc.results.keys import JobKeys, Keys
from tracesvc.results.pieces import Piece
from tracesvc.results.status import JobStatus, no_such_job, read_status
from tracesvc.settings import Settings
from tracesvc.slots import SharedSlots

CALLER = "tracesvc.caller"
PROBE_SECONDS = 0.9
MAX_JOB_ID_CHARACTERS = 128


class ClosablePieces(Protocol):
    """Pieces that are made while they are read."""

    def __aiter__(self) -> AsyncIterator[Piece]:
        """The pieces, once."""
        ...

    async def aclose(self) -> None:
        """Nobody reads any more."""
        ...


class AnswersAtOnce(Protocol):
    """Answers a small trace in its own response; `app` injects the one that runs it."""

    async def answer(self, query: TraceQuery, *, redis_answers: bool) -> ClosablePieces:
        """The trace's pieces, once its first unit is there."""
        ...


class ClosableBytes(Protocol):
    """An answer in pieces."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces, once."""
        ...

    async def aclose(self) -> None:
        """Nobody reads any more."""
        ...


class AnswersStages(Protocol):
    """Answers stage 1 or 2 in its own response; `app` injects the one that does it."""

    async def answer(self, query: StageQuery, *, redis_answers: bool, renew: bool) -> ClosableBytes:
        """The answer, once everything is read from the plant; with `renew` in any case."""
        ...


@dataclass(frozen=True, slots=True)
class Service:
    """Everything a route may use; `app` makes it at start, a request's own has its `caller`."""

    settings: Settings
    catalogue: Catalogue
    redis: Redis
    results: Redis
    keys: Keys
    bell: Bell
    queue: JobQueue
    at_once: AnswersAtOnce
    stages: AnswersStages
    analyst: Analyst
    slots: SharedSlots
    exports: asyncio.Semaphore
    ping_source: Callable[[], Awaitable[None]]
    door: Door
    rates: RateLimits
    pulse: Pulse
    caller: Caller = ANYONE

    async def redis_answers(self) -> bool:
        """Whether Redis answers."""
        return await self.pulse.beats()

    async def jobs_available(self) -> bool:
        """Whether a trace can be answered with a job now (protocol.md, 1)."""
        if not self.settings.trace_worker_enabled:
            return False
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                return bool(await self.queue.workers())
        except (RedisError, OSError):
            return False

    def job(self, job_id: str) -> JobKeys:
        """The keys of a job; an id that cannot be one is not looked up."""
        if not 0 < len(job_id) <= MAX_JOB_ID_CHARACTERS or not job_id.isprintable() or ":" in job_id:
            raise JobNotFound("There is no such job. A job id reads trace-evt-…, as the 202 answer gave it.")
        return self.keys.job(job_id)

    async def status(self, job_id: str) -> JobStatus:
        """The job's status; raises `JobNotFound`, also for somebody else's job, and `QueueUnavailable`."""
        job = self.job(job_id)
        if not await self.redis_answers():
            raise QueueUnavailable(
                "Redis does not answer; jobs cannot be read now.", headers={"Retry-After": "5"}
            )
        status = await read_status(self.results, job)
        if not self.caller.sees(status.owner):
            raise no_such_job(job_id)
        return status


def known_service(request: Request) -> Service:
    """The service of this app, for whoever asks."""
    found: Service = request.app.state.service
    return found


def service(request: Request) -> Service:
    """The service of this app for the caller that the gate let in; without one nothing is served."""
    caller: Caller | None = request.scope.get(CALLER)
    if caller is None:
        raise Unauthenticated("This needs a credential.")
    return replace(known_service(request), caller=caller)


Svc = Annotated[Service, Depends(service)]
Known = Annotated[Service, Depends(known_service)]


async def read_json_body(request: Request, max_bytes: int) -> bytes:
    """The body, at most `max_bytes`; raises `UnsupportedMediaType` or `BodyTooLarge` before reading on."""
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType("Send the body as application/json (Content-Type: application/json).")
    too_large = BodyTooLarge(
        f"The body is larger than {max_bytes} bytes. Ask for fewer containers.", limit=max_bytes
    )
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise too_large
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)
