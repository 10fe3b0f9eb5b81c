"""One running DuckDB statement: pulled by batches in threads, one ahead, and broken off on demand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from typing import Final

import duckdb
from arro3.core import RecordBatch, RecordBatchReader

from tracesvc.errors import SourceTimeout, SourceTooLarge, SourceUnavailable, TraceError
from tracesvc.sources.base import SourceError, ValueRefused

_INTERRUPT_PAUSE: Final = 0.005
"""Seconds between two interrupts: one that comes before the query has begun is lost."""

_TRANSIENT: Final = ("IO Error", "Resource In Use Error")
_TOO_LARGE: Final = "Out of Memory Error"
_VALUES: Final = ("Conversion Error", "Out of Range Error", "Invalid Input Error")

logger: Final = logging.getLogger(__name__)


def source_error(error: BaseException) -> TraceError:
    """The error for callers: without SQL, values or paths. Its own first line goes to the log, at debug."""
    text = str(error)
    logger.debug("DuckDB refused a statement: %s", text.partition("\n")[0])
    if _TOO_LARGE in text:
        return SourceTooLarge("memory for a statement on the plant's file ran out")
    if any(kind in text for kind in _TRANSIENT) or isinstance(error, duckdb.IOException | OSError):
        return SourceUnavailable("the plant's file could not be read")
    if any(kind in text for kind in _VALUES):
        return ValueRefused("the plant holds a value that cannot be read as its column declares")
    return SourceError("the plant's database refused a statement")


def _watched(pull: Future[RecordBatch | None]) -> asyncio.Future[RecordBatch | None]:
    """A pull to wait for; its error is taken from the pull itself, or is of no interest any more."""
    watched = _awaitable(pull)
    watched.add_done_callback(lambda done: done.cancelled() or done.exception())
    return watched


_ENGINE_ROWS: Final = 131_072
"""Rows of a batch as the engine hands them out; DuckDB's own default."""


def open_stream(
    cursor: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, object]
) -> RecordBatchReader:
    """Run a statement as a stream; `execute` would hold the whole result in memory.

    It asks for what a relation asks for when it is read. Making the relation would bind the statement once
    more: 3 ms of 25 for 1000 containers, with the GIL held (docs/adr/0026).
    """
    submit = getattr(cursor, "_submit", None)
    values = dict(params) or None
    if submit is None:
        return RecordBatchReader.from_stream(cursor.sql(sql, params=values))
    return RecordBatchReader.from_arrow_pycapsule(submit(sql, values, "stream", _ENGINE_ROWS).arrow_capsule())


class Statement:
    """A statement on a cursor of its own. Only one pull runs at a time."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, executor: Executor, *, seconds: float) -> None:
        """`seconds`: how long the engine may work on it in all; the caller's own time does not count."""
        self._cursor = cursor
        self._executor = executor
        self._seconds_left = seconds
        self._reader: RecordBatchReader | None = None
        self._pull: Future[RecordBatch | None] | None = None
        self._stopped = False

    def begin(self, sql: str, params: Mapping[str, object]) -> None:
        """Start the statement and the pull of its first batch; returns at once."""

        def first() -> RecordBatch | None:
            self._reader = open_stream(self._cursor, sql, params)
            return self._read()

        self._submit(first)

    async def batch(self) -> RecordBatch | None:
        """The batch being pulled, and start the pull of the next; None after the last.

        Raises `SourceTimeout`, `SourceUnavailable` or `SourceError`.
        """
        pull = self._pull
        if pull is None:
            return None
        await self._wait(pull)
        if self._stopped:
            raise SourceUnavailable("the plant's database was closed while a statement ran")
        try:
            batch = pull.result()
        except Exception as error:
            raise source_error(error) from error
        if batch is None:
            self._pull = None
        else:
            self._submit(self._read)
        return batch

    async def stop(self) -> None:
        """Break the statement off, wait until its thread has let go, and give the cursor back."""
        self._stopped = True
        while self._pull is not None and not self._pull.done() and not self._pull.cancel():
            self._cursor.interrupt()
            await asyncio.wait({_watched(self._pull)}, timeout=_INTERRUPT_PAUSE)
        if self._pull is not None and not self._pull.cancelled():
            self._pull.exception()
        self._pull = self._reader = None
        self._cursor.close()

    def _submit(self, work: Callable[[], RecordBatch | None]) -> None:
        self._pull = self._executor.submit(work)

    def _read(self) -> RecordBatch | None:
        if self._reader is None:
            return None
        try:
            return self._reader.read_next_batch()
        except StopIteration:
            self._reader = None
            return None

    async def _wait(self, pull: Future[RecordBatch | None]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        done, _ = await asyncio.wait({_watched(pull)}, timeout=self._seconds_left)
        self._seconds_left = max(0.0, self._seconds_left - (loop.time() - began))
        if not done:
            raise SourceTimeout("a statement took longer than DB_SLOW_CALL_TIMEOUT_MS allows")


def _awaitable(pull: Future[RecordBatch | None]) -> asyncio.Future[RecordBatch | None]:
    """The pull as asyncio waits for it. What it raised is read from the pull itself, not from here."""
    future = asyncio.wrap_future(pull)
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future
