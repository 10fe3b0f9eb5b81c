"""The API: a composition root. Opens the clients, mounts routes and handlers, and holds no logic."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tracesvc import __version__, clock
from tracesvc.catalogue import Catalogue, load_catalogue
from tracesvc.connect import connect_redis, open_fetcher, queue_limits
from tracesvc.errors import TraceError
from tracesvc.openapi import document_routes
from tracesvc.query import TraceQuery
from tracesvc.queue import JobQueue
from tracesvc.results.bell import Bell
from tracesvc.results.direct import DirectSink, at_once
from tracesvc.results.keys import Keys
from tracesvc.results.pieces import Pieces
from tracesvc.routes import catalogue as catalogue_routes
from tracesvc.routes import events, health, jobs, problems, stream
from tracesvc.routes.deps import AnswerAtOnce, Service
from tracesvc.runner import Plan, run
from tracesvc.settings import Settings
from tracesvc.sources import Source, open_source
from tracesvc.telemetry import set_up_logging

PREFIX = "/api/trace"


def create_app(settings: Settings) -> FastAPI:
    """The ASGI application; clients are opened when it starts and closed when it stops.

    Raises `CatalogueError`, `SettingsError` or `SourceConfigError` when it could never serve.
    """
    catalogue = load_catalogue(settings.trace_catalogue)
    app = FastAPI(
        title="tracesvc",
        version=__version__,
        summary="What happened to these containers? Streamed as NDJSON while it is read.",
        lifespan=lambda app: _lifespan(app, settings, catalogue),
        redoc_url=None,
        openapi_url=None,
    )
    for router in (events.router, jobs.router, stream.router, catalogue_routes.router):
        app.include_router(router, prefix=PREFIX)
    app.include_router(health.router)
    problems.install(app)
    document_routes(app)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI, settings: Settings, catalogue: Catalogue) -> AsyncIterator[None]:
    set_up_logging()
    source = open_source(settings, catalogue)
    redis = connect_redis(settings)
    keys = Keys(settings.trace_redis_prefix)
    bell = Bell(redis, keys.bell)
    app.state.service = Service(
        settings=settings,
        catalogue=catalogue,
        redis=redis,
        keys=keys,
        bell=bell,
        queue=JobQueue(redis, keys, queue_limits(settings)),
        answer_at_once=_answer_at_once(settings, source, catalogue, redis),
        ping_source=source.ping,
    )
    bell.start()
    try:
        yield
    finally:
        await bell.stop()
        await source.close()
        with contextlib.suppress(RedisError, OSError):
            await redis.aclose()


def _answer_at_once(settings: Settings, source: Source, catalogue: Catalogue, redis: Redis) -> AnswerAtOnce:
    """How a small trace is answered: the same runner as in a worker, its lines go to the response."""
    shared = open_fetcher(settings, source, catalogue, redis, asyncio.Semaphore(settings.db_slow_max_concurrent))
    alone = open_fetcher(
        settings, source, catalogue, None, asyncio.Semaphore(settings.trace_db_local_max_concurrent)
    )

    async def answer(query: TraceQuery, redis_answers: bool) -> Pieces:
        fetcher = shared if redis_answers else alone
        plan = Plan(
            container_ids=query.container_ids,
            domains=query.domain_names,
            as_of=clock.plant_time(clock.now(), settings.trace_plant_timezone),
            unit_cids=settings.trace_unit_cids,
            domains_at_once=1,
            units_at_once=settings.event_fetcher_max_workers,
        )

        async def probe(domain: str) -> bool:
            first = plan.container_ids[: fetcher.unit_size(domain, plan.unit_cids)]
            try:
                async with contextlib.aclosing(fetcher.batches(domain, first, as_of=plan.as_of)) as batches:
                    await anext(batches, None)
            except TraceError:
                return False
            return True

        sink = DirectSink(plan.domains, len(plan.container_ids), catalogue, probe)

        async def work() -> None:
            try:
                await run(plan, fetcher, sink)
            finally:
                await sink.close()

        task = asyncio.create_task(work(), name="trace at once")
        pieces = at_once(
            sink,
            task,
            profile=query.profile,
            cid_count=len(plan.container_ids),
            batch_size=settings.trace_stream_batch_size,
        )
        try:
            await sink.decided()
        except BaseException:
            task.cancel()
            raise
        return pieces

    return answer
