"""Sessions that are kept: at most so many, tested after they were idle, dropped when anything was wrong.

The driver's own pool opens connections in one thread, and one that hangs there stops it for good; it would
also try a wrong password again with every call, until the account is locked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, TypeVar

import oracledb

from tracesvc.errors import SourceUnavailable
from tracesvc.sources.base import SignInRefused
from tracesvc.sources.oracle.session import CLOSE_MS, Session

logger: Final = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """In seconds, but `size`, the sessions at once.

    `wait`: for one of them; `connect`: for a sign-in; `idle`: without a test; `age`: of a session; `pause`:
    without sign-ins after a refused one.
    """

    size: int
    wait: float
    connect: float
    idle: float
    age: float
    pause: float


class Pool:
    """The sessions of one source."""

    def __init__(self, connect: Callable[[], oracledb.Connection], limits: PoolLimits) -> None:
        self._connect = connect
        self._limits = limits
        self._permits = asyncio.Semaphore(limits.size)
        self._idle: list[Session] = []
        self._closing: set[Future[None]] = set()
        self._hanging = 0
        self._refusal: tuple[float, str] | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether every session works."""
        return self._permits.locked()

    async def acquire(self) -> Session:
        """A session that works. Raises `SourceUnavailable` or `SignInRefused`."""
        self._refuse_when_closed()
        try:
            async with asyncio.timeout(self._limits.wait):
                await self._permits.acquire()
        except TimeoutError:
            raise SourceUnavailable(
                f"all {self._limits.size} sessions with the database are busy (TRACE_DB_POOL_SIZE)"
            ) from None
        try:
            self._refuse_when_closed()
            return await self._kept() or await self._opened()
        except BaseException:
            self._permits.release()
            raise

    def release(self, session: Session, *, reusable: bool) -> None:
        """Give a session back; one that is not as it was is closed."""
        self._permits.release()
        if reusable and not self._closed:
            session.used = time.monotonic()
            self._idle.append(session)
        else:
            self._drop(session)

    async def close(self) -> None:
        """Close what is idle, and wait a moment for sign-outs under way."""
        self._closed = True
        while self._idle:
            self._drop(self._idle.pop())
        if self._closing:
            waits = [_quiet(future) for future in tuple(self._closing)]
            await asyncio.wait(waits, timeout=2 * CLOSE_MS / 1000)

    async def _kept(self) -> Session | None:
        while self._idle:
            session = self._idle.pop()
            now = time.monotonic()
            if now - session.born < self._limits.age and await self._works(session, now):
                return session
            self._drop(session)
        return None

    async def _works(self, session: Session, now: float) -> bool:
        if now - session.used < self._limits.idle:
            return session.connection.is_healthy()

        def ping() -> None:
            session.limit(self._limits.connect)
            session.connection.ping()

        try:
            await within(self._limits.connect, session.run(ping))
        except (TimeoutError, SourceUnavailable, oracledb.Error, OSError):
            return False
        return True

    async def _opened(self) -> Session:
        self._refuse_when_tripped()
        if self._hanging >= self._limits.size:
            raise SourceUnavailable("the database takes connections but does not answer them")
        session = Session()
        opening = session.open(self._connect)
        try:
            await within(self._limits.connect, opening)
        except TimeoutError:
            self._leave(session, opening)
            raise SourceUnavailable(
                f"the database did not answer a sign-in within {self._limits.connect:g} s"
            ) from None
        except SignInRefused as error:
            self._refusal = (time.monotonic() + self._limits.pause, error.detail)
            logger.warning("no sign-in is tried for %g s: %s", self._limits.pause, error.detail)
            self._drop(session)
            raise
        except BaseException:
            self._drop(session)
            raise
        self._refusal = None
        return session

    def _leave(self, session: Session, opening: Future[None]) -> None:
        """Leave a sign-in behind that does not end; should it end after all, its session is closed."""
        self._hanging += 1
        loop = asyncio.get_running_loop()

        def back() -> None:
            self._hanging -= 1

        def done(_: Future[None]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(back)

        opening.add_done_callback(done)
        session.close()

    def _drop(self, session: Session) -> None:
        closing = session.close()
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _refuse_when_tripped(self) -> None:
        if self._refusal is not None:
            until, told = self._refusal
            left = until - time.monotonic()
            if left > 0:
                raise SignInRefused(f"{told}; the next sign-in is tried in {left:.0f} s")

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise SourceUnavailable("the database's sessions are closed: the process is ending")


async def within(seconds: float, work: Future[T]) -> T:
    """The result of work in a thread. Raises `TimeoutError`; the work itself goes on then."""
    done, _ = await asyncio.wait({_quiet(work)}, timeout=seconds)
    if not done:
        raise TimeoutError
    return work.result()


def _quiet(work: Future[T]) -> asyncio.Future[T]:
    """The work to wait for; what it raised is read from the work itself."""
    future = asyncio.wrap_future(work)
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


__all__ = ["Pool", "PoolLimits", "within"]
