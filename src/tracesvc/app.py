"""The API: a composition root. Opens the clients, mounts routes and handlers, and holds no logic."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from fastapi import FastAPI
from redis.asyncio import Redis

from tracesvc import __version__
from tracesvc.access import Door, open_door
from tracesvc.analysis_at_once import Analysed
from tracesvc.analyst import Analyst
from tracesvc.at_once import Answer, AtOnce
from tracesvc.catalogue import Catalogue, load_catalogue
from tracesvc.connect import (
    close_redis,
    connect_redis,
    connect_results,
    open_bell,
    open_fetcher,
    open_keys,
    open_statements,
    queue_limits,
    shared_slots,
)
from tracesvc.gate import guard
from tracesvc.memory import give_memory_back
from tracesvc.openapi import document_routes
from tracesvc.pulse import Pulse
from tracesvc.query import TraceQuery
from tracesvc.queue import JobQueue
from tracesvc.rates import RateLimits
from tracesvc.results.answers import AnswerCache
from tracesvc.results.eviction import warn_of_eviction
from tracesvc.routes import (
    access,
    analysis,
    coverage,
    docs,
    events,
    export,
    health,
    jobs,
    metrics,
    page,
    problems,
    stages,
    stream,
)
from tracesvc.routes import catalogue as catalogue_routes
from tracesvc.routes.deps import Service
from tracesvc.settings import Settings
from tracesvc.slots import LocalSlots, SharedSlots
from tracesvc.sources import Source, open_source
from tracesvc.spans import set_up_spans
from tracesvc.stages_at_once import StagesAtOnce
from tracesvc.statements import Statements
from tracesvc.telemetry import set_up_logging

PREFIX = "/api/trace"


def create_app(settings: Settings) -> FastAPI:
    """The ASGI application; clients are opened when it starts and closed when it stops.

    Raises `CatalogueError`, `SettingsError` or `SourceConfigError` when it could never serve.
    """
    door = open_door(settings)
    catalogue = load_catalogue(settings.trace_catalogue)
    give_memory_back()  # checking the statements took 34 MB
    app = FastAPI(
        title="tracesvc",
        version=__version__,
        summary="What happened to these containers? Streamed as NDJSON while it is read.",
        lifespan=lambda app: _lifespan(app, settings, catalogue, door),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    api = (events, stages, jobs, stream, coverage, analysis, export, catalogue_routes, access)
    for part in api:
        app.include_router(part.router, prefix=PREFIX)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(docs.router)
    app.include_router(page.page_router(settings.trace_oidc_issuer))
    problems.install(app)
    document_routes(app)
    app.middleware_stack = guard(app.build_middleware_stack(), settings)  # outside of all that can fail
    return app


@contextlib.asynccontextmanager
async def _lifespan(
    app: FastAPI, settings: Settings, catalogue: Catalogue, door: Door
) -> AsyncIterator[None]:
    set_up_logging(settings.trace_log_format, settings.trace_log_level)
    set_up_spans(settings.trace_otlp_endpoint, "api")
    source = open_source(settings, catalogue)
    redis = connect_redis(settings)
    results = connect_results(settings, redis)
    keys = open_keys(settings)
    bell = open_bell(settings, redis, keys.bell, keys.signals)
    slots = shared_slots(settings, redis, bell)
    local = LocalSlots(settings.trace_db_local_max_concurrent)
    statements = (
        open_statements(settings, source, catalogue, slots),
        open_statements(settings, source, catalogue, local),
    )
    analyst = Analyst(settings)
    pulse = Pulse(*_pulses(settings))
    app.state.service = Service(
        settings=settings,
        catalogue=catalogue,
        redis=redis,
        results=results,
        keys=keys,
        bell=bell,
        queue=JobQueue(redis, results, keys, queue_limits(settings)),
        at_once=_at_once(settings, source, catalogue, redis, slots, local, statements),
        stages=_stages(settings, redis, slots, statements),
        analyst=analyst,
        slots=slots,
        exports=asyncio.Semaphore(settings.trace_export_max_concurrent),
        ping_source=source.ping,
        door=door,
        rates=RateLimits(redis, pulse, settings),
        pulse=pulse,
    )
    bell.start()
    await warn_of_eviction(redis, results)
    try:
        yield
    finally:
        for close in (bell.stop, analyst.close, door.aclose, pulse.aclose, source.close):
            await close()
        await close_redis(redis, results)


def _pulses(settings: Settings) -> Iterator[Redis]:
    """Clients of one connection each, for each Redis that must answer."""
    alone = settings.model_copy(update={"trace_redis_max_connections": 1})
    redis = connect_redis(alone)
    yield redis
    if (results := connect_results(alone, redis)) is not redis:
        yield results


def _at_once(
    settings: Settings,
    source: Source,
    catalogue: Catalogue,
    redis: Redis,
    slots: SharedSlots,
    local: LocalSlots,
    statements: tuple[Statements, Statements],
) -> AtOnce:
    shared = open_fetcher(settings, source, catalogue, redis, slots)
    alone = open_fetcher(settings, source, catalogue, None, local)

    def analyse(answer: Answer, query: TraceQuery, redis_answers: bool) -> Analysed:  # noqa: FBT001 - a callback
        return Analysed(answer, query, statements[0 if redis_answers else 1], settings)

    return AtOnce(settings, catalogue, shared, alone, slots.wait_for_turn, analyse)


def _stages(
    settings: Settings, redis: Redis, slots: SharedSlots, statements: tuple[Statements, Statements]
) -> StagesAtOnce:
    keys = open_keys(settings)
    room, seconds = settings.trace_event_cache_max_bytes, settings.trace_stage_cache_seconds
    return StagesAtOnce(settings, *statements, AnswerCache(redis, keys, room, seconds), slots.wait_for_turn)
