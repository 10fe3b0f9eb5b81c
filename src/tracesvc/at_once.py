"""A small trace, answered in its own response: the runner of the worker, with the response as its sink."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime
from typing import Final

from tracesvc import clock
from tracesvc.analysis_at_once import Analysed
from tracesvc.audit import audit_answer
from tracesvc.catalogue import Catalogue
from tracesvc.errors import TraceError
from tracesvc.fetch import EventFetcher
from tracesvc.lines import ErrorLine, MetaLine
from tracesvc.query import TraceQuery
from tracesvc.results.direct import DirectSink
from tracesvc.results.pieces import Piece, complete_line, error_line, warning_of
from tracesvc.runner import Plan, run
from tracesvc.settings import Settings

logger = logging.getLogger(__name__)

Analyse = Callable[["Answer", TraceQuery, bool], Analysed]

INTERNAL: Final = {"code": "INTERNAL_ERROR", "message": "The trace broke off. The log says why; try again."}
# Somebody waits for the answer; jobs have more.
PATIENCE_SECONDS: Final = 3.0
ALL_FAILED: Final = {"code": "JOB_FAILED", "message": "Every domain of the trace failed."}


class AtOnce:
    """Answers traces without a job, straight from the source, in bounded memory.

    `shared` is used while Redis answers; `alone` while it is away: without event cache and under the
    per-process limit of statements.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        shared: EventFetcher,
        alone: EventFetcher,
        wait_for_turn: Callable[[float], Awaitable[None]],
        analyse: Analyse,
    ) -> None:
        """`wait_for_turn` returns when a database slot was free, or raises `SourceUnavailable`.

        `analyse` puts the aggregation into the pieces of a trace that has one.
        """
        self._analyse = analyse
        self._settings = settings
        self._catalogue = catalogue
        self._shared = shared
        self._alone = alone
        self._wait_for_turn = wait_for_turn

    async def answer(self, query: TraceQuery, *, redis_answers: bool) -> Answer | Analysed:
        """The trace's pieces, once its first unit is there; raises when the source can answer no domain."""
        answer = await self._answer(query, redis_answers=redis_answers)
        known = "detection/lots_of" in self._catalogue.stages
        analyses = known and "aggregation" in query.stages
        return self._analyse(answer, query, redis_answers) if analyses else answer

    async def _answer(self, query: TraceQuery, *, redis_answers: bool) -> Answer:
        fetcher = self._shared if redis_answers else self._alone
        if redis_answers:
            await self._wait_for_turn(self._settings.trace_db_slot_wait_seconds)
        begun = clock.now()
        plan = Plan(
            container_ids=query.container_ids,
            domains=query.domain_names,
            as_of=clock.plant_time(begun, self._settings.trace_plant_timezone),
            unit_cids=self._settings.trace_unit_cids,
            domains_at_once=1,
            units_at_once=self._settings.event_fetcher_max_workers,
            patience_seconds=min(PATIENCE_SECONDS, self._settings.trace_source_patience_seconds),
        )
        sink = DirectSink(
            plan.domains,
            len(plan.container_ids),
            self._catalogue,
            lambda domain: _answers(fetcher, plan, domain),
        )
        work = asyncio.create_task(_work(plan, fetcher, sink), name="trace at once")
        meta = MetaLine(
            job_id=None,
            profile=query.profile,
            domains=list(plan.domains),
            cid_count=len(plan.container_ids),
            batch_size=self._settings.trace_stream_batch_size,
            live=True,
            created_at=clock.to_text(begun),
        )
        try:
            await sink.decided()
        except BaseException:
            await _stop(work)
            raise
        return Answer(meta, sink, work, begun)


async def _work(plan: Plan, fetcher: EventFetcher, sink: DirectSink) -> None:
    try:
        await run(plan, fetcher, sink)
    except Exception as error:
        await sink.close(error)
        raise
    await sink.close()


async def _answers(fetcher: EventFetcher, plan: Plan, domain: str) -> bool:
    first = plan.container_ids[: fetcher.unit_size(domain, plan.unit_cids)]
    try:
        async with contextlib.aclosing(fetcher.batches(domain, first, as_of=plan.as_of)) as batches:
            await anext(batches, None)
    except TraceError:
        return False
    return True


class Answer:
    """The pieces of a trace that runs while they are read. `aclose` ends it, read or not."""

    def __init__(self, meta: MetaLine, sink: DirectSink, work: asyncio.Task[None], begun: datetime) -> None:
        self._meta = meta
        self._sink = sink
        self._work = work
        self._begun = begun
        self._outcome = "left"
        self._closed = False

    async def __aiter__(self) -> AsyncGenerator[Piece, None]:
        yield self._meta
        async for piece in self._sink.lines():
            yield piece
        await asyncio.wait({self._work})
        last = _last(self._sink, self._work, self._begun)
        self._outcome = "failed" if isinstance(last[-1], ErrorLine) else "finished"
        for piece in last:
            yield piece

    async def aclose(self) -> None:
        """Nobody reads any more: break off what runs at the source."""
        if self._closed:
            return
        self._closed = True
        await _stop(self._work)
        audit_answer(
            self._meta.profile or "",
            self._meta.domains,
            self._meta.cid_count or 0,
            records=sum(tally.records for tally in self._sink.tallies.values()),
            outcome=self._outcome,
            seconds=round((clock.now() - self._begun).total_seconds(), 3),
        )


def _last(sink: DirectSink, work: asyncio.Task[None], begun: datetime) -> list[Piece]:
    if work.exception() is not None:
        logger.error("a trace answered at once broke off", exc_info=work.exception())
        return [error_line(INTERNAL, retryable=True)]
    ends = [tally.end_line() for tally in sink.tallies.values()]
    if all(end.status == "failed" for end in ends):
        return [error_line(ALL_FAILED, retryable=True)]
    warning = warning_of(ends)
    elapsed = round((clock.now() - begun).total_seconds(), 3)
    return [*([warning] if warning else []), complete_line(ends, elapsed)]


async def _stop(work: asyncio.Task[None]) -> None:
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await work
