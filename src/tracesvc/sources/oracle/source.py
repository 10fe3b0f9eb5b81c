"""The source on an Oracle database."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import CancelledError as Cancelled
from typing import Final

import oracledb
from arro3.core import RecordBatch

from tracesvc.catalogue import Catalogue
from tracesvc.errors import SourceUnavailable
from tracesvc.settings import Settings
from tracesvc.sources.base import ValueRefused
from tracesvc.sources.oracle.address import identity, sign_in
from tracesvc.sources.oracle.binding import Prepared, list_names, prepare, unit_key
from tracesvc.sources.oracle.errors import source_error
from tracesvc.sources.oracle.pool import Pool, PoolLimits, within
from tracesvc.sources.oracle.reading import KeptDescriptions, Reading, ReadLimits, TooWide
from tracesvc.sources.oracle.session import Session
from tracesvc.telemetry import current_job

_WIDE_KEPT: Final = 10_000
"""Runs of statements that are remembered to hold very wide numbers."""
_PING_SECONDS: Final = 5.0


class OracleSource:
    """A `Source` on a database: sessions are opened when statements need them, and kept."""

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        """Connects nothing. Raises `SourceConfigError` when the settings name no database."""
        self.name = identity(settings)
        self._pool = Pool(
            sign_in(settings),
            PoolLimits(
                size=settings.trace_db_pool_size,
                wait=settings.trace_db_pool_wait_seconds,
                connect=settings.trace_db_connect_seconds,
                idle=settings.trace_db_ping_seconds,
                age=settings.trace_db_session_seconds,
                pause=settings.trace_db_sign_in_pause_seconds,
            ),
        )
        self._limits = ReadLimits(
            seconds=settings.db_slow_call_timeout_ms / 1000,
            prefetch=settings.trace_db_prefetch_rows,
            reader=settings.trace_db_reader,
        )
        self._names = frozenset(
            {
                *catalogue.tables,
                *(column.name for table in catalogue.tables.values() for column in table.columns),
            }
        )
        self._actions = {domain.sql: domain.name for domain in catalogue.domains.values()}
        self._descriptions = KeptDescriptions()
        self._wide: OrderedDict[int, None] = OrderedDict()
        self._running: dict[Reading, Session] = {}

    async def batches(
        self, sql: str, params: Mapping[str, object], *, batch_size: int
    ) -> AsyncGenerator[RecordBatch]:
        """Run one statement; see `Source.batches`. A list of over 1000 ids is asked block by block."""
        prepared = prepare(sql, list_names(params))
        tags = {"action": self._actions.get(sql, ""), "client_identifier": current_job.get()}
        for values in prepared.blocks(params):
            async with contextlib.aclosing(self._block(prepared, values, tags, batch_size)) as found:
                async for batch in found:
                    yield batch

    async def iter_rows(
        self, sql: str, params: Mapping[str, object], batch_size: int
    ) -> AsyncGenerator[tuple[list[str], list[tuple[object, ...]]]]:
        """The same statement as rows; see `Source.iter_rows`."""
        stream = self.batches(sql, params, batch_size=batch_size)
        async with contextlib.aclosing(stream):
            async for batch in stream:
                columns = [column.to_pylist() for column in batch.columns]
                yield list(batch.column_names), list(zip(*columns, strict=True))

    async def ping(self) -> None:
        """Raise unless the database answers; while every session works, it does."""
        if self._pool.busy and self._running:
            return
        session = await self._pool.acquire()
        reusable = False
        try:
            await within(_PING_SECONDS, session.run(lambda: _ping(session)))
            reusable = True
        except TimeoutError:
            raise SourceUnavailable(f"the database did not answer within {_PING_SECONDS:g} s") from None
        except (oracledb.Error, OSError) as error:
            raise source_error(error) from error
        finally:
            self._pool.release(session, reusable=reusable)

    async def version(self) -> str:
        """The release of the database."""
        session = await self._pool.acquire()
        try:
            return await within(_PING_SECONDS, session.run(lambda: session.connection.version))
        finally:
            self._pool.release(session, reusable=True)

    async def close(self) -> None:
        """Break off what runs and close every session."""
        await asyncio.gather(*(self._end(reading) for reading in tuple(self._running)))
        await self._pool.close()

    async def _block(
        self, prepared: Prepared, values: Mapping[str, object], tags: Mapping[str, str], size: int
    ) -> AsyncGenerator[RecordBatch]:
        """One run of the statement, from its start once more when wide numbers turn up in its first batch."""
        key, begun = unit_key(prepared.text, values), False
        while True:
            wide = key in self._wide
            try:
                async with contextlib.aclosing(self._run(prepared, values, tags, size, wide=wide)) as found:
                    async for batch in found:
                        begun = True
                        yield batch
            except TooWide:
                if wide:
                    raise ValueRefused("the database holds a number of more than 38 digits") from None
                self._remember_wide(key)
                if begun:
                    raise SourceUnavailable("wide numbers turned up: the statement is read again") from None
            else:
                return

    async def _run(
        self,
        prepared: Prepared,
        values: Mapping[str, object],
        tags: Mapping[str, str],
        size: int,
        *,
        wide: bool,
    ) -> AsyncGenerator[RecordBatch]:
        session = await self._pool.acquire()
        reading = Reading(session, prepared, self._descriptions, self._limits)
        self._running[reading] = session
        try:
            reading.begin(values, tags, batch_size=size, wide=wide)
            while (batch := await reading.batch()) is not None:
                yield batch
        except Cancelled:
            raise SourceUnavailable("the database was closed while a statement ran") from None
        except (oracledb.Error, OSError) as error:
            if reading not in self._running:
                raise SourceUnavailable("the database was closed while a statement ran") from None
            raise source_error(error, prepared.text, self._names) from error
        finally:
            await asyncio.shield(asyncio.ensure_future(self._end(reading)))

    async def _end(self, reading: Reading) -> None:
        """Stop a statement and give its session back, also when the caller is cancelled meanwhile."""
        session = self._running.pop(reading, None)
        if session is None:
            return
        reusable = False
        try:
            reusable = await reading.stop()
        finally:
            self._pool.release(session, reusable=reusable)

    def _remember_wide(self, key: int) -> None:
        self._wide[key] = None
        while len(self._wide) > _WIDE_KEPT:
            self._wide.popitem(last=False)


def _ping(session: Session) -> None:
    session.limit(_PING_SECONDS)
    session.connection.ping()
