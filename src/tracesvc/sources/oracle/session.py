"""A session: one connection of the driver, and the thread that alone works with it.

The thread is a daemon and the session's own. A call that never comes back (a listener that hangs, a database
that does not even answer a break) costs this session, not the process: it is left behind.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Final, TypeVar

import oracledb

from tracesvc.errors import SourceUnavailable
from tracesvc.sources.oracle.binding import ListBinds
from tracesvc.sources.oracle.errors import source_error

T = TypeVar("T")

CLOSE_MS: Final = 2000
"""How long a sign-out may take: sign-outs are polite, not needed."""
MODULE: Final = "tracesvc"


class Session:
    """`connection` is set once `open` has run. Calls of `run` are done one after the other."""

    def __init__(self) -> None:
        self.born = self.used = time.monotonic()
        self._connection: oracledb.Connection | None = None
        self._lists: ListBinds | None = None
        self._tags: dict[str, str] = {}
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="oracle session", daemon=True)
        self._thread.start()

    @property
    def connection(self) -> oracledb.Connection:
        """The driver's connection, for work inside `run`."""
        assert self._connection is not None
        return self._connection

    @property
    def lists(self) -> ListBinds:
        """Its binds for lists of ids, for work inside `run`."""
        if self._lists is None:
            self._lists = ListBinds(self.connection)
        return self._lists

    def run(self, work: Callable[[], T]) -> Future[T]:
        """Do `work` in the session's thread."""
        future: Future[T] = Future()

        def do() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the future
                future.set_exception(error)

        self._work.put(do)
        return future

    def open(self, connect: Callable[[], oracledb.Connection]) -> Future[None]:
        """Sign in."""

        def work() -> None:
            try:
                self._connection = connect()
            except Exception as error:
                raise source_error(error) from error

        return self.run(work)

    def tag(self, tags: Mapping[str, str]) -> None:
        """Say in V$SESSION who asks and what for; inside `run`, sent along with the next call."""
        connection = self.connection
        if not self._tags:
            connection.module = MODULE
        for name, value in tags.items():
            if self._tags.get(name) != value:
                setattr(connection, name, value or None)  # an empty text would be sent in two ways at once
                self._tags[name] = value

    def limit(self, seconds: float) -> None:
        """How long each call may take from now on; inside `run`.

        Raises `SourceUnavailable` when the connection is gone: the driver would end the process (a
        segmentation fault in 26.1).
        """
        if not self.connection.is_healthy():
            raise SourceUnavailable("the connection to the database was lost")
        self.connection.call_timeout = max(1, round(1000 * seconds))

    def break_off(self) -> None:
        """Tell the database to stop what it does for this session; from any thread."""
        connection = self._connection
        if connection is not None and connection.is_healthy():
            with contextlib.suppress(oracledb.Error, OSError):
                connection.cancel()

    def close(self) -> Future[None]:
        """Sign out and end the thread, once what runs has come back."""

        def work() -> None:
            connection, self._connection, self._lists = self._connection, None, None
            if connection is not None:
                with contextlib.suppress(oracledb.Error, OSError):
                    if connection.is_healthy():
                        connection.call_timeout = CLOSE_MS
                    connection.close()

        done = self.run(work)
        self._work.put(None)
        return done

    def _loop(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            del work
