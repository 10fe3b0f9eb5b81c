"""One connection: login, then requests one after the other, each of which the client may break off."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Final, TypeVar

from tests.oracle_wire import answers, handshake
from tests.oracle_wire.answers import NO_MORE_ROWS, ColumnType, RowEncoder
from tests.oracle_wire.engine import BROKEN_OFF, Engine, Query, Refused
from tests.oracle_wire.faults import Fault, Ledger
from tests.oracle_wire.packets import BREAK, DATA, END_OF_FILE, MARKER, RESET, Gone, Wire
from tests.oracle_wire.primitives import Reader
from tests.oracle_wire.requests import (
    EXECUTE,
    EXECUTES,
    FETCH,
    FETCHES,
    LOGIN_ONE,
    LOGIN_TWO,
    LOGOFF,
    PARSES_ONLY,
    REEXECUTE,
    REEXECUTE_FETCH,
    Bind,
    Request,
    Requests,
)  # fmt: skip

FAST_AUTH: Final = 34
LOOK_SECONDS: Final = 0.002
WRONG_PASSWORD, TOO_MANY_SESSIONS = 1017, 18
T = TypeVar("T")
Memory = dict[tuple[object, ...], tuple[tuple[ColumnType, ...], list[bytes]]]


@dataclass(frozen=True)
class World:
    """What all sessions share. `memory`: answers that are encoded, kept when the server is told to."""

    engine: Engine
    ledger: Ledger
    release: handshake.Release
    executor: Executor
    user: str
    password: str
    service: str
    memory: Memory | None


class BrokenOff(Exception):
    """The client broke the request off."""


@dataclass
class Cursor:
    """A statement that the client has open."""

    sql: str
    query: Query | None = None
    encoder: RowEncoder | None = None
    pieces: list[bytes] | None = None
    at: int = 0
    fault: Fault | None = None
    kept: list[bytes] = field(default_factory=list)
    key: tuple[object, ...] = ()
    columns: tuple[ColumnType, ...] = ()


class Session:
    """Serves one client until it leaves."""

    numbers = itertools.count(1)

    def __init__(self, sock: socket.socket, world: World) -> None:
        self._wire = Wire(sock)
        self._world = world
        self._number = next(Session.numbers)
        self._requests = Requests(world.release.fields)
        self._cursors: dict[int, Cursor] = {}
        self._ids = itertools.count(1)

    def run(self) -> None:
        ledger = self._world.ledger
        try:
            if self._begin():
                ledger.note("session")
                self._serve()
        except (Gone, EOFError):
            ledger.note("gone")
        finally:
            for cursor in self._cursors.values():
                self._drop(cursor)
            self._wire.close()
            ledger.leave(self._number)
            ledger.note("end")

    # From CONNECT to the login

    def _begin(self) -> bool:
        world, rules = self._world, self._world.ledger.rules
        told, size = handshake.connect_data(self._wire, self._wire.receive())
        world.ledger.note("connect")
        if rules.hang_connect:
            while True:
                self._wire.receive()
        code = rules.refuse_connect or (0 if f"SERVICE_NAME={world.service})" in told else 12514)
        if code:
            handshake.refuse(self._wire, code)
            return False
        handshake.accept(self._wire, world.release, min(size, 65535))
        login: handshake.Login | None = None
        while True:
            reader = Reader(self._message())
            kind = reader.u8()
            if kind == 1:
                self._answer(handshake.protocol_answer(world.release))
            elif kind == 2:
                self._answer(handshake.DATA_TYPES_ANSWER)
            elif kind == FAST_AUTH:
                reader.raw(3), reader.u8()
                handshake.skip_protocol(reader)
                reader.raw(6), reader.u8()
                handshake.skip_data_types(reader)
                reader.u8()
                front = handshake.protocol_answer(world.release) + handshake.DATA_TYPES_ANSWER
                login = self._login(reader, login, front, has_token=False)
            else:
                login = self._login(reader, login, b"", has_token=self._requests.fields >= 18)
                if login is None:
                    return self._number in world.ledger.sessions

    def _login(
        self, reader: Reader, login: handshake.Login | None, front: bytes, *, has_token: bool
    ) -> handshake.Login | None:
        """One phase; None after the second, or a refusal."""
        world, ledger = self._world, self._world.ledger
        function = reader.u8()
        reader.u8()
        if has_token:
            reader.ub()
        user, pairs = handshake.read_login(reader)
        if function == LOGIN_ONE:
            fresh = handshake.Login(world.password)
            self._answer(front + handshake.login_answer(fresh.challenge()) + answers.status())
            return fresh
        assert function == LOGIN_TWO
        assert login is not None
        ledger.note("login")
        proof = login.proof(pairs) if user.upper() == world.user.upper() else None
        code = ledger.rules.refuse_login or (0 if proof else WRONG_PASSWORD)
        if not code and not ledger.enter(self._number):
            code = TOO_MANY_SESSIONS
        if code:
            ledger.note("refused", str(code))
            self._answer(self._end(code=code, message=f"ORA-{code:05}: logon denied\n"))
            return None
        assert proof is not None
        given = {
            "AUTH_SESSION_ID": str(self._number), "AUTH_SERIAL_NUM": "1",
            "AUTH_VERSION_NO": str(world.release.number), "AUTH_SVR_RESPONSE": proof,
            "AUTH_SC_DBUNIQUE_NAME": "test", "AUTH_MAX_OPEN_CURSORS": "300",
        }  # fmt: skip
        self._answer(handshake.login_answer(given) + answers.status())
        return None

    # Requests

    def _serve(self) -> None:
        while True:
            request = self._request()
            for cursor in request.closed:
                self._drop(self._cursors.pop(cursor, None))
            if request.tags:
                self._world.ledger.tags.append(request.tags)
            try:
                if not self._handle(request):
                    return
            except BrokenOff:
                continue

    def _request(self) -> Request:
        """The next request; one that is cut short has the rest of it on its way."""
        message = self._message()
        while True:
            try:
                return self._requests.read(message)
            except EOFError:
                message += self._message()

    def _message(self) -> bytes:
        """What is there of a message: as long as frames are full, more follows. Breaks are answered here."""
        parts: list[bytes] = []
        while True:
            packet = self._wire.receive()
            if packet.kind == MARKER:
                if packet.body[2] != RESET:
                    self._break()
                    parts.clear()
                continue
            assert packet.kind == DATA, f"a packet of type {packet.kind}"
            if int.from_bytes(packet.body[:2], "big") & END_OF_FILE:
                raise Gone
            parts.append(packet.body[2:])
            if len(packet.body) + 8 < self._wire.size - 16 or not self._wire.waiting(0.01):
                return b"".join(parts)

    def _handle(self, request: Request) -> bool:
        if request.function in (EXECUTE, REEXECUTE, REEXECUTE_FETCH):
            self._execute(request)
        elif request.function == FETCH:
            self._fetch(request)
        else:
            self._answer(answers.token(request.token) + answers.status())
            return request.function != LOGOFF
        return True

    def _execute(self, request: Request) -> None:
        ledger = self._world.ledger
        number = request.cursor or next(self._ids)
        known = self._cursors.get(number)
        sql = request.sql if request.sql is not None else known.sql if known else ""
        if not sql.lstrip().upper().startswith(("SELECT", "WITH")):
            ledger.note("command", sql)
            self._answer(answers.token(request.token) + answers.parameters() + self._end(cursor=number))
            return
        parses_only = bool(request.options & PARSES_ONLY)
        cursor = Cursor(sql)
        if not parses_only:
            ledger.statement(sql)
            cursor.fault = ledger.fault(
                sql, {bind.value for bind in request.binds} if ledger.rules.statements else set()
            )
        if not parses_only:
            self._requests.remember(number)
        try:
            self._stumble(cursor, 0)
            self._open(cursor, request.binds, describes=parses_only)
        except Refused as error:
            told = self._end(code=error.code, message=error.text, cursor=number)
            self._answer(answers.token(request.token) + told)
            return
        self._drop(known)
        self._cursors[number] = cursor
        front = answers.token(request.token)
        if request.sql is not None:
            front += answers.describe(cursor.columns, self._requests.fields)
        fetches = (
            request.options & FETCHES if request.function == EXECUTE else request.function == REEXECUTE_FETCH
        )
        if parses_only or not fetches or not (request.function != EXECUTE or request.options & EXECUTES):
            self._answer(front + answers.parameters() + self._end(cursor=number))
            return
        self._send_rows(front, cursor, number, request.rows, executed=True)

    def _fetch(self, request: Request) -> None:
        cursor = self._cursors.get(request.cursor)
        front = answers.token(request.token)
        if cursor is None:
            self._answer(front + self._end(code=1001, message="ORA-01001: invalid cursor\n"))
            return
        self._send_rows(front, cursor, request.cursor, request.rows, executed=False)

    def _open(self, cursor: Cursor, binds: list[Bind], *, describes: bool) -> None:
        """Run the statement, or take its answer from memory."""
        memory = self._world.memory
        cursor.key = (cursor.sql, *(bind.value for bind in binds))
        if memory is not None and not describes and cursor.key in memory:
            cursor.columns, cursor.pieces = memory[cursor.key]
            return
        query = self._world.engine.open(cursor.sql)
        cursor.query = query
        try:
            cursor.columns = self._watched(
                lambda: query.describe() if describes else query.execute(binds), query.interrupt
            )
        except BaseException:
            query.close()
            raise
        cursor.encoder = RowEncoder(len(cursor.columns))

    def _send_rows(self, front: bytes, cursor: Cursor, number: int, count: int, *, executed: bool) -> None:
        try:
            pieces = self._pieces(cursor, count)
            self._stumble(cursor, len(pieces))
        except Refused as error:
            self._answer(front + self._end(code=error.code, message=error.text, cursor=number))
            return
        if self._world.ledger.rules.pause_seconds:
            self._pause(self._world.ledger.rules.pause_seconds)
        cursor.at += len(pieces)
        code = NO_MORE_ROWS if len(pieces) < count else 0
        parts = [front, answers.ROW_HEADER, *pieces]
        if executed:
            parts.append(answers.parameters())
        parts.append(
            self._end(cursor=number, code=code, message="ORA-01403: no data found\n", rows=cursor.at)
        )
        self._answer(b"".join(parts))

    def _pieces(self, cursor: Cursor, count: int) -> list[bytes]:
        if cursor.pieces is not None:
            return cursor.pieces[cursor.at : cursor.at + count]
        assert cursor.query is not None
        assert cursor.encoder is not None
        pieces = cursor.encoder.encode(cursor.query.rows(count))
        memory = self._world.memory
        if memory is not None:
            cursor.kept += pieces
            if len(pieces) < count:
                memory[cursor.key] = (cursor.columns, cursor.kept)
        return pieces

    def _stumble(self, cursor: Cursor, coming: int) -> None:
        """Let the statement's fault happen once it has given so many rows."""
        fault = cursor.fault
        if fault is None or cursor.at + coming < fault.after_rows:
            return
        cursor.fault = None
        if fault.kind == "error":
            raise Refused(fault.code, f"fault SELECT {cursor.sql[:20]}")
        if fault.kind == "drop":
            if not coming:
                self._wire.close()
                raise Gone
            self._wire.cut_after = 1000
        if fault.kind == "stall":
            self._world.ledger.note("stall")
            if fault.deaf:
                while True:
                    self._wire.receive()
            self._until_broken_off()

    def _pause(self, seconds: float) -> None:
        if self._wire.waiting(seconds):
            self._until_broken_off()

    def _until_broken_off(self) -> None:
        """Wait for the client's break, and answer it; what comes after it is the next request."""
        while (packet := self._wire.receive()).kind != MARKER or packet.body[2] == RESET:
            pass
        self._break()
        raise BrokenOff

    def _watched(self, work: Callable[[], T], interrupt: Callable[[], None]) -> T:
        """Do the work aside; when the client breaks it off meanwhile, stop it and answer the break."""
        done: Future[T] = self._world.executor.submit(work)
        while not done.done():
            if not self._wire.waiting(LOOK_SECONDS):
                continue
            while not done.done():
                interrupt()
                try:
                    done.exception(timeout=0.005)
                except TimeoutError:
                    continue
            packet = self._wire.receive()
            if packet.kind == MARKER:
                self._break()
                raise BrokenOff
        return done.result()

    def _break(self) -> None:
        """The handshake of a break: requests are dropped until the client's reset, then ORA-01013."""
        self._world.ledger.note("break")
        self._wire.send_marker(BREAK)
        while (packet := self._wire.receive()).kind != MARKER or packet.body[2] != RESET:
            pass
        self._wire.send_marker(RESET)
        self._answer(
            self._end(code=BROKEN_OFF, message="ORA-01013: user requested cancel of current operation\n")
        )

    def _end(self, **told: object) -> bytes:
        return answers.end(self._requests.fields, **told)  # type: ignore[arg-type]

    def _answer(self, message: bytes) -> None:
        ends = self._world.release.ends_responses
        self._wire.send_data(message + bytes([answers.END_OF_RESPONSE]) if ends else message, ends=ends)

    def _drop(self, cursor: Cursor | None) -> None:
        if cursor is not None and cursor.query is not None:
            cursor.query.close()
