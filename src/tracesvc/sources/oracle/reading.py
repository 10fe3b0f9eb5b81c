"""A statement being read: pulled in its session's thread, one batch ahead, and broken off on demand."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import oracledb
from arro3.core import RecordBatch

from tracesvc.errors import SourceTimeout, TraceError
from tracesvc.sources.oracle.binding import Prepared
from tracesvc.sources.oracle.errors import TOO_WIDE, codes_of
from tracesvc.sources.oracle.pool import within
from tracesvc.sources.oracle.schema import Described, batch_of, batch_of_rows, requested
from tracesvc.sources.oracle.session import Session

_LET_GO_SECONDS: Final = 5.0
"""How long a break may take before the session is left behind."""

_CHANGED: Final = frozenset({"ORA-00904", "ORA-00932", "ORA-00942", "ORA-01007", "DPY-2069", "DPY-3038"})
"""A table is not what it was when the statement was described."""

Batches = Generator[RecordBatch, None, None]
Reader = Literal["arrow", "rows"]


class TooWide(Exception):
    """A number has more digits than were asked for: the statement has to be read again, with more room."""


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """`seconds`: how long the database may work on a statement in all.

    `prefetch`: rows that come with the answer to the statement itself, when it is read by rows.
    """

    seconds: float
    prefetch: int
    reader: Reader


class Descriptions(Protocol):
    """The columns of statements, each asked for once."""

    def of(self, connection: oracledb.Connection, text: str) -> Described:
        """Those of one."""
        ...


class KeptDescriptions:
    """Kept for as long as the process lives; a statement is described before it is first run."""

    def __init__(self) -> None:
        self._kept: dict[str, Described] = {}

    def of(self, connection: oracledb.Connection, text: str) -> Described:
        """See `Descriptions`."""
        if text not in self._kept:
            with connection.cursor() as cursor:
                cursor.parse(text)
                self._kept[text] = [tuple(column) for column in cursor.description or ()]
        return self._kept[text]

    def forget(self, text: str) -> None:
        """Its tables are others by now."""
        self._kept.pop(text, None)


class Reading:
    """One run of a statement in a session. Only one pull runs at a time."""

    def __init__(
        self, session: Session, prepared: Prepared, descriptions: KeptDescriptions, limits: ReadLimits
    ) -> None:
        self._session = session
        self._prepared = prepared
        self._descriptions = descriptions
        self._limits = limits
        self._seconds_left = limits.seconds
        self._batches: Batches | None = None
        self._pull: Future[RecordBatch | None] | None = None
        self._broken = False

    def begin(
        self, params: Mapping[str, object], tags: Mapping[str, str], *, batch_size: int, wide: bool
    ) -> None:
        """Start the statement and the pull of its first batch; returns at once."""

        def first() -> RecordBatch | None:
            self._session.limit(self._limits.seconds)
            self._session.tag(tags)
            by_rows = self._limits.reader == "rows"
            self._batches = (
                self._rows(params, batch_size) if by_rows else self._frames(params, batch_size, wide=wide)
            )
            return self._next()

        self._pull = self._session.run(first)

    async def batch(self) -> RecordBatch | None:
        """The batch being pulled, and start the pull of the next; None after the last.

        Raises the driver's errors, `TooWide`, or `SourceTimeout`.
        """
        pull = self._pull
        if pull is None:
            return None
        began = time.monotonic()
        try:
            batch = await within(self._seconds_left, pull)
        except TimeoutError:
            raise SourceTimeout("a statement took longer than DB_SLOW_CALL_TIMEOUT_MS allows") from None
        except oracledb.Error as error:
            self._broken = True
            codes = codes_of(error)
            if TOO_WIDE in codes:
                raise TooWide from error
            if _CHANGED.intersection(codes):
                self._descriptions.forget(self._prepared.text)
            raise
        except TraceError:
            self._broken = True
            raise
        self._seconds_left = max(0.0, self._seconds_left - (time.monotonic() - began))
        self._pull = None if batch is None else self._session.run(self._next)
        return batch

    async def stop(self) -> bool:
        """Break off what runs and wait until it has let go; whether the session can be used again."""
        pull, self._pull = self._pull, None
        if pull is None or pull.cancel():
            return self._end()
        if not pull.done():
            self._session.break_off()
            try:
                await within(_LET_GO_SECONDS, pull)
            except Exception:  # noqa: BLE001 - whatever a broken statement ends with: its session goes
                return False
            return False
        return pull.exception() is None and self._end()

    def _end(self) -> bool:
        """Let the statement go in the session's thread; whether the session can be used again."""
        if self._batches is not None:
            self._session.run(self._batches.close)
        return not self._broken and self._session.connection.is_healthy()

    def _next(self) -> RecordBatch | None:
        assert self._batches is not None
        return next(self._batches, None)

    def _frames(self, params: Mapping[str, object], size: int, *, wide: bool) -> Batches:
        connection = self._session.connection
        described = self._descriptions.of(connection, self._prepared.text)
        binds = self._prepared.binds(self._session.lists, params)
        frames: Any = connection.fetch_df_batches(
            self._prepared.text, binds, size=size, requested_schema=requested(described, wide=wide)
        )
        own: oracledb.Cursor | None = None
        try:
            for frame in frames:
                own = own or frames.gi_frame.f_locals["cursor"]
                batch = batch_of(frame)
                if batch is not None:
                    yield batch
        finally:
            # The driver never closes this cursor, which is part of a cycle. Collected during another call of
            # its connection, it waits for a lock that its own thread holds (26.1).
            if own is not None:
                with contextlib.suppress(oracledb.Error):
                    own.close()

    def _rows(self, params: Mapping[str, object], size: int) -> Batches:
        with self._session.connection.cursor() as cursor:
            cursor.arraysize = size
            cursor.prefetchrows = self._limits.prefetch
            binds: dict[str, Any] = self._prepared.binds(self._session.lists, params)
            cursor.execute(self._prepared.text, binds, fetch_decimals=True)
            described = [tuple(column) for column in cursor.description or ()]
            while rows := cursor.fetchmany(size):
                yield batch_of_rows(rows, described)
