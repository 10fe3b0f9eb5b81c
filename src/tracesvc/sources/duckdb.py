"""The embedded source: catalogue statements on a DuckDB file, or on Parquet or CSV files, read-only."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import duckdb
from arro3.core import RecordBatch

from tracesvc.catalogue import Catalogue
from tracesvc.catalogue.dialect import SYSDATE_BIND, DialectError, Translation, to_duckdb
from tracesvc.errors import SourceUnavailable
from tracesvc.memory import give_memory_back
from tracesvc.settings import Settings
from tracesvc.sources.base import SourceError
from tracesvc.sources.plant import Plant, identity
from tracesvc.sources.statement import Statement, source_error

_TRANSLATIONS: Final = 64
"""Statements whose translation is kept: more than the catalogue has; one takes 10-20 ms."""

IDLE_SECONDS: Final = 5.0
"""After that long without a statement the engine is closed, with its cache.

After 114,000 containers a process falls from 230 MB to 125-145 MB; opening again takes 50 ms. What the
engine freed is then trimmed from the heap: after 2,000 small jobs a worker rests at 156 MiB, not 175.
"""

_NEVER_FLUSHED: Final = "8GB"
"""Otherwise the engine gives memory back to the system at every large buffer that it frees, and takes it
again for the next: 3 % of a large job. The worker trims its heap itself, after jobs and when idle."""

_NICENESS: Final = 10
"""How far statements stand back behind the threads that encode, pack and send what they found."""


def engine_config(settings: Settings) -> dict[str, str | bool | int | float | list[str]]:
    """How the engine is set up: threads, memory, nothing from the network."""
    return {
        "threads": settings.trace_duckdb_threads,
        "memory_limit": f"{settings.trace_duckdb_memory_mib}MiB",
        "temp_directory": str(Path(tempfile.gettempdir()) / "tracesvc-duckdb"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allocator_flush_threshold": _NEVER_FLUSHED,
        "allocator_bulk_deallocation_flush_threshold": _NEVER_FLUSHED,
    }


def _give_way() -> None:
    """Lower this thread's priority, where the system knows one by thread: a large job is 5 % faster."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


class DuckDBSource:
    """A `Source` on a plant's files: opened at the first statement, in a thread, and closed when idle."""

    def __init__(self, path: Path, settings: Settings, catalogue: Catalogue) -> None:
        self.name = identity(path)
        self._plant = Plant(path, catalogue, settings.trace_plant_timezone)
        self._zone = ZoneInfo(settings.trace_plant_timezone)
        self._seconds = settings.db_slow_call_timeout_ms / 1000
        self._config = engine_config(settings)
        self._translate = functools.lru_cache(_TRANSLATIONS)(
            functools.partial(to_duckdb, date_columns=catalogue.date_columns, clean=True)
        )
        self._executor = ThreadPoolExecutor(
            1 + settings.db_slow_max_concurrent, thread_name_prefix="duckdb", initializer=_give_way
        )
        self._opening = threading.Lock()
        self._con: duckdb.DuckDBPyConnection | None = None
        self._users = 0
        self._running: set[Statement] = set()
        self._idle: asyncio.TimerHandle | None = None
        self._closed = False

    async def batches(
        self, sql: str, params: Mapping[str, object], *, batch_size: int
    ) -> AsyncGenerator[RecordBatch]:
        """Run one statement; see `Source.batches`."""
        statement = await self._begin(sql, params)
        try:
            while (batch := await statement.batch()) is not None:
                for piece in _pieces(batch, batch_size):
                    yield piece
        finally:
            await self._end(statement)

    async def iter_rows(
        self, sql: str, params: Mapping[str, object], batch_size: int
    ) -> AsyncGenerator[tuple[list[str], list[tuple[object, ...]]]]:
        """The same statement as rows; see `Source.iter_rows`."""
        stream = self.batches(sql, params, batch_size=batch_size)
        try:
            async for batch in stream:
                columns = [column.to_pylist() for column in batch.columns]
                yield list(batch.column_names), list(zip(*columns, strict=True))
        finally:
            await stream.aclose()

    async def ping(self) -> None:
        """Raise unless the plant opens and answers, and its files are there."""
        statement = await self._begin("SELECT 1 AS ANSWER", {})
        try:
            await statement.batch()
            await asyncio.to_thread(self._plant.look)
        finally:
            await self._end(statement)

    async def close(self) -> None:
        """Break off what runs and free everything; statements after that are refused."""
        self._closed = True
        if self._idle is not None:
            self._idle.cancel()
        await asyncio.gather(*(self._end(statement) for statement in tuple(self._running)))
        await asyncio.to_thread(self._shut)

    def _shut(self) -> None:
        self._executor.shutdown(wait=True)
        with self._opening:
            self._drop()

    def _release(self) -> None:
        """Close the engine unless a statement has it or waits for it: its cursors would close as well."""
        with self._opening:
            if self._users or self._con is None:
                return
            self._drop()
        give_memory_back()

    def _drop(self) -> None:
        if self._con is not None:
            self._con.close()
            self._con = None

    def _rest(self) -> None:
        if self._users == 0 and not self._closed:
            self._executor.submit(self._release)

    async def _begin(self, sql: str, params: Mapping[str, object]) -> Statement:
        try:
            translation = self._translate(sql)
        except DialectError as error:
            raise SourceError(
                "the statement is outside the subset of SQL that every source can run"
            ) from error
        self._users += 1
        try:
            self._refuse_when_closed()
            cursor = await asyncio.get_running_loop().run_in_executor(self._executor, self._cursor)
            self._refuse_when_closed()
            bound = self._bound(translation, params)
        except BaseException:
            self._users -= 1
            raise
        statement = Statement(cursor, self._executor, seconds=self._seconds)
        self._running.add(statement)
        statement.begin(translation.sql, bound)
        return statement

    async def _end(self, statement: Statement) -> None:
        """Stop a statement, also when the caller is cancelled meanwhile: its thread must let go."""
        await asyncio.shield(asyncio.ensure_future(self._stop(statement)))

    async def _stop(self, statement: Statement) -> None:
        await statement.stop()
        if statement not in self._running:
            return
        self._running.remove(statement)
        self._users -= 1
        if self._idle is not None:
            self._idle.cancel()
        if not self._closed:
            self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._rest)

    def _bound(self, translation: Translation, params: Mapping[str, object]) -> dict[str, object]:
        clock = {SYSDATE_BIND: datetime.now(self._zone).replace(tzinfo=None)}
        missing = translation.binds - params.keys() - clock.keys()
        if missing:
            raise SourceError(f"the statement needs a value for :{min(missing)}")
        return {name: _to_the_second({**clock, **params}[name]) for name in translation.binds}

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise SourceUnavailable("the plant's database is closed: the process is ending")

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor of its own for a statement; the first one opens the plant."""
        with self._opening:
            try:
                if self._con is None:
                    self._con = self._open()
                return self._con.cursor()
            except (duckdb.Error, OSError) as error:
                raise source_error(error) from error

    def _open(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect(":memory:", config=self._config)
        try:
            self._plant.mount(con)
        except BaseException:
            con.close()
            raise
        return con


def _to_the_second(value: object) -> object:
    """Oracle binds a datetime as a DATE, which has whole seconds."""
    return value.replace(microsecond=0) if isinstance(value, datetime) else value


def _pieces(batch: RecordBatch, size: int) -> Iterator[RecordBatch]:
    """Slices of at most `size` rows, without copying; the engine's own batches have up to 131,072."""
    for start in range(0, batch.num_rows, size):
        yield batch.slice(start, min(size, batch.num_rows - start))
