"""One question and its answer: lines, records, tables, however many connections it takes."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict

import httpx
import orjson
from arro3.core import Table

from tracesvc.client.connection import Connection, Passing, RequestOptions
from tracesvc.client.decoder import LineDecoder, StreamBroken
from tracesvc.client.ledger import Ledger, RawRecords
from tracesvc.client.progress import DomainReceived, OnProgress, TraceProgress, tell
from tracesvc.client.tables import TableBuilder, to_pandas, to_polars
from tracesvc.errors import ServiceAway, TraceRefused
from tracesvc.lines import JobState, JsonValue, Line, ProgressLine

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

EVENTS: Final = "/api/trace/events"
ACCEPTED: Final = 202
STREAM_HEADERS: Final = {"Accept": "application/x-ndjson", "Accept-Encoding": "zstd"}


@dataclass(frozen=True, kw_only=True)
class TraceOptions:
    """How a trace is asked and followed."""

    on_progress: OnProgress | None = None
    cancel_on_exit: bool = False
    allow_partial: bool = False
    as_job: bool = False
    fresh: bool = False
    at_once_seconds: float = 330.0  # a statement may take DB_SLOW_CALL_TIMEOUT_MS before the first line
    silence_seconds: float = 30.0  # a stream that is alive says so every few seconds


class TraceChoices(TypedDict, total=False):
    """The same as keywords."""

    on_progress: OnProgress | None
    cancel_on_exit: bool
    allow_partial: bool
    as_job: bool
    fresh: bool
    at_once_seconds: float
    silence_seconds: float


class Trace:
    """Iterate over it for typed lines; or take `records`, or a table. Each way reads the answer anew.

    As a context (`async with`) it cancels its job at the end, when `cancel_on_exit` was asked for and it has
    not been read to its end.
    """

    def __init__(
        self,
        connection: Connection,
        query: Mapping[str, Any] | None,
        job_id: str | None,
        options: TraceOptions,
    ) -> None:
        """`query`: the body of `POST /events`, or None to follow `job_id`."""
        self.job_id = job_id
        self._connection = connection
        self._query = query
        self._options = options
        self._ledger = Ledger()
        self._status: JobState = "queued"
        self._last_progress: ProgressLine | None = None
        self._wire_bytes = self._connects = 0
        self._began = time.monotonic()
        self._as_job = False

    @property
    def ledger(self) -> Ledger:
        """What the reading that runs, or ran last, has received."""
        return self._ledger

    def __aiter__(self) -> AsyncIterator[Line]:
        return self.lines()

    async def lines(self, domains: Sequence[str] | None = None) -> AsyncGenerator[Line]:
        """Typed lines, each once, to the last. Raises `TraceIncomplete`, `TraceRefused`, `ServiceAway`."""
        async with aclosing(self.raw(domains)) as raw:
            async for line in raw:
                yield line.parsed() if isinstance(line, RawRecords) else line

    async def records(self, domain: str) -> AsyncGenerator[dict[str, JsonValue]]:
        """The records of one domain, each once. Raises at the end when some could not be fetched."""
        async with aclosing(self.raw([domain])) as raw:
            async for line in raw:
                if isinstance(line, RawRecords) and line.domain == domain:
                    for record in orjson.loads(line.rows):
                        yield record
        self.check([domain])

    async def to_arrow(self, domain: str) -> Table:
        """All records of one domain: text, int64, double, boolean, timestamp[us]."""
        builder = TableBuilder()
        async with aclosing(self.raw([domain])) as raw:
            async for line in raw:
                if isinstance(line, RawRecords) and line.domain == domain:
                    builder.add(line.line, self._ledger.domains[domain].columns)
        self.check([domain])
        return builder.table(self._ledger.domains[domain].columns)

    async def to_polars(self, domain: str) -> pl.DataFrame:
        """The same as a polars frame; needs polars."""
        return to_polars(await self.to_arrow(domain))

    async def to_pandas(self, domain: str) -> pd.DataFrame:
        """The same as a pandas frame; needs pandas and pyarrow."""
        return to_pandas(await self.to_arrow(domain))

    def check(self, domains: Sequence[str] | None = None) -> None:
        """Raise `TraceIncomplete` when containers of these domains failed, unless `allow_partial`."""
        if self._options.allow_partial:
            return
        held = self._ledger.domains
        wanted = held if domains is None else [name for name in domains if name in held]
        if any((end := held[name].end) is None or end.status != "ok" for name in wanted):
            raise self._ledger.incomplete(
                "Some containers could not be fetched.", code="EVENTS_PARTIAL_FAILURE"
            )

    async def raw(self, domains: Sequence[str] | None = None) -> AsyncGenerator[Line | RawRecords]:
        """Lines as `lines` has them, but `records` as bytes: what a file or another format is made of."""
        self._ledger = Ledger(domains)
        self._connects = failures = 0
        self._as_job = self._options.as_job
        while self._ledger.complete is None:
            before = self._held()
            try:
                async with aclosing(self._connected(domains)) as lines:
                    async for line in lines:
                        yield line
                        await tell(self._options.on_progress, self._progress())
                passing = Passing(ServiceAway("The stream was cut."))
            except Passing as error:
                passing = error
            except StreamBroken as error:
                passing = Passing(ServiceAway(f"The stream is broken: {error}."))
            except TraceRefused as error:
                if self._ledger.meta is None:
                    raise
                raise self._ledger.incomplete(error.detail, code=error.answered) from error
            if self._ledger.complete is None:
                failures = 0 if self._held() != before else failures + 1
                await self._pause(failures, passing)

    def _held(self) -> tuple[int, int, int]:
        """Grows with everything that a connection brings."""
        held = self._ledger.domains.values()
        return len(held), sum(len(one.digests) for one in held), sum(one.end is not None for one in held)

    async def _pause(self, failures: int, passing: Passing) -> None:
        try:
            at_first = self._ledger.meta is None and isinstance(passing.error, ServiceAway)
            await self._connection.pause(max(1, failures), passing, at_first=at_first)
        except (ServiceAway, TraceRefused) as error:
            if self._ledger.meta is None:
                raise
            raise self._ledger.incomplete(error.detail, code=error.answered) from error

    async def _connected(self, domains: Sequence[str] | None) -> AsyncGenerator[Line | RawRecords]:
        """The new lines of one connection. Asks first, when there is no job yet."""
        self._ledger.connected(anew=self.job_id is None)
        self._connects += 1
        if self.job_id is None:
            async with self._connection.opened("POST", EVENTS, **self._question()) as answer:
                if answer.status_code != ACCEPTED:
                    self._as_job = True  # should it be cut: a job can be resumed, this answer cannot
                    async for line in self._read(answer):
                        yield line
                    return
                await answer.aread()
                self.job_id = orjson.loads(answer.content)["job_id"]
        params: dict[str, Any] = {} if domains is None else {"domain": list(domains)}
        if self._ledger.cursor is not None:
            params["after"] = self._ledger.cursor
        path = f"/api/trace/job/{self.job_id}/stream"
        timeout = httpx.Timeout(self._options.silence_seconds)
        async with self._connection.opened(
            "GET", path, params=params, headers=STREAM_HEADERS, timeout=timeout
        ) as answer:
            async for line in self._read(answer):
                yield line

    def _question(self) -> RequestOptions:
        headers = {**STREAM_HEADERS, "Content-Type": "application/json"}
        if self._as_job:
            headers["Prefer"] = "respond-async"
        if self._options.fresh:
            headers["Cache-Control"] = "no-cache"
        timeout = httpx.Timeout(self._options.at_once_seconds, connect=self._options.silence_seconds)
        return {"content": orjson.dumps(self._query), "headers": headers, "timeout": timeout}

    async def _read(self, answer: httpx.Response) -> AsyncGenerator[Line | RawRecords]:
        decoder = LineDecoder(answer.headers.get("content-encoding"))
        async for piece in answer.aiter_raw():
            self._wire_bytes += len(piece)
            for text in decoder.decode(piece):
                line = self._ledger.enter(text)
                if isinstance(line, ProgressLine):
                    self._last_progress, self._status = line, line.status
                if line is not None and not self._failed():
                    yield line

    def _failed(self) -> bool:
        """Whether the stream ended with `error`: what may pass is passed over, else it is raised."""
        error = self._ledger.error
        if error is None:
            return False
        if error.retryable:
            raise Passing(TraceRefused(error.message, answered=error.code))
        raise self._ledger.incomplete(error.message, code=error.code)

    def _progress(self) -> TraceProgress:
        meta, ledger = self._ledger.meta, self._ledger
        if ledger.complete is not None:
            self._status = "finished"
        elif meta is not None and meta.job_id is None:
            self._status = "running"
        committed = self._last_progress.domains if self._last_progress else {}
        domains = {}
        for name in meta.domains if meta else ():
            held, units = ledger.domains.get(name), committed.get(name)
            domains[name] = DomainReceived(
                records=held.records if held else 0,
                committed=max(units.records if units else 0, held.records if held else 0),
                batches_done=units.batches_done if units else 0,
                batches_total=units.batches_total if units else 0,
                ended=held is not None and held.end is not None,
            )
        return TraceProgress(
            job_id=self.job_id,
            status=self._status,
            records=ledger.records,
            wire_bytes=self._wire_bytes,
            resumes=self._connects - 1,
            seconds=time.monotonic() - self._began,
            domains=domains,
        )

    async def cancel(self) -> None:
        """Cancel the job and free its result; nothing happens when there is none."""
        if self.job_id is not None:
            try:
                await self._connection.ask("DELETE", f"/api/trace/job/{self.job_id}")
            except TraceRefused as error:
                if error.answered != "JOB_NOT_FOUND":
                    raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if self._options.cancel_on_exit and self._ledger.complete is None:
            await self.cancel()
