"""What a client asks: piggybacks in front, then one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.oracle_wire.primitives import Reader, date_of, number_of

FUNCTION, PIGGYBACK, ONE_WAY = 3, 17, 26
LOGIN_ONE, LOGIN_TWO = 118, 115
EXECUTE, REEXECUTE, REEXECUTE_FETCH, FETCH = 94, 4, 78, 5
PING, LOGOFF, COMMIT, ROLLBACK = 147, 9, 14, 15
VARCHAR, NUMBER, DATE, CHAR = 1, 2, 12, 96
TIMESTAMPS: Final = (180, 181, 231)
FIELDS_12_2, FIELDS_TOKEN = 8, 18
FETCHES: Final = 0x40
PARSES_ONLY: Final = 0x20000
EXECUTES: Final = 0x20


@dataclass(frozen=True)
class Bind:
    """A value with its declared type."""

    kind: int
    value: object


@dataclass
class Request:
    """A function and what came with it. `closed`: cursors that the client gives back."""

    function: int
    token: int = 0
    cursor: int = 0
    sql: str | None = None
    rows: int = 0
    options: int = 0
    binds: list[Bind] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    reader: Reader | None = None


@dataclass(frozen=True)
class BindType:
    """The declared type of a bind; `size` in bytes decides its place in a row."""

    kind: int
    size: int


class Requests:
    """Reads requests of one session. `types`: the bind types of each open cursor."""

    def __init__(self, fields: int, most_text: int = 4000) -> None:
        self.fields = fields
        self._most_text = most_text
        self._types: dict[int, list[BindType]] = {}
        self.pending: list[BindType] = []

    def remember(self, cursor: int) -> None:
        """The bind types that were read last are this cursor's."""
        self._types[cursor] = self.pending

    def read(self, message: bytes) -> Request:
        reader = Reader(message)
        request = Request(function=0)
        while (kind := reader.u8()) == PIGGYBACK:
            self._piggyback(reader, request)
        assert kind in (FUNCTION, ONE_WAY), f"message type {kind}"
        request.function = reader.u8()
        reader.u8()  # sequence number
        if self.fields >= FIELDS_TOKEN:
            request.token = reader.ub()
        readers: Mapping[int, Callable[[Reader, Request], None]] = {
            EXECUTE: self._execute, FETCH: _fetch,
            REEXECUTE: self._reexecute, REEXECUTE_FETCH: self._reexecute,
        }  # fmt: skip
        if request.function in readers:
            readers[request.function](reader, request)
        request.reader = reader
        return request

    def _piggyback(self, reader: Reader, request: Request) -> None:
        code = reader.u8()
        reader.u8()
        if self.fields >= FIELDS_TOKEN:
            reader.ub()
        if code == 105:  # cursors to close
            reader.u8()
            request.closed += [reader.ub() for _ in range(reader.ub())]
        elif code == 135:
            request.tags |= _end_to_end(reader)
        elif code == 152:
            reader.u8()
            reader.bytes_twice()
        elif code == 176:
            reader.ub()
        elif code == 199:
            reader.ub(), reader.raw(2)
        else:
            raise AssertionError(f"piggyback {code}")

    def _execute(self, reader: Reader, request: Request) -> None:
        request.options = reader.ub()
        request.cursor = reader.ub()
        has_sql = reader.u8()
        reader.ub(), reader.u8(), reader.ub(), reader.raw(2), reader.ub()
        request.rows = reader.ub()
        reader.ub()
        reader.u8()
        bind_count = reader.ub()
        reader.raw(5)
        defines = reader.u8()
        define_count = reader.ub()
        reader.ub(), reader.raw(3), reader.ub(), reader.u8(), reader.ub(), reader.ub()
        reader.u8(), reader.ub(), reader.u8()
        if self.fields >= FIELDS_12_2:
            reader.u8(), reader.ub(), reader.u8(), reader.ub(), reader.u8()
        if self.fields >= FIELDS_12_2 + 1:
            reader.u8(), reader.ub()
        if has_sql:
            request.sql = (reader.bytes_() or b"").decode()
        for _ in range(13):
            reader.ub()
        if defines:
            for _ in range(define_count):
                self._type(reader)
        elif bind_count:
            self.pending = [self._type(reader) for _ in range(bind_count)]
            request.binds = self._row(reader)
        else:
            self.pending = []

    def _reexecute(self, reader: Reader, request: Request) -> None:
        request.cursor, request.rows = reader.ub(), reader.ub()
        reader.ub(), reader.ub()
        self.pending = self._types.get(request.cursor, [])
        if reader.rest:
            request.binds = self._row(reader)

    def _type(self, reader: Reader) -> BindType:
        kind = reader.u8()
        reader.raw(3)
        size = reader.ub()
        reader.ub(), reader.ub(), reader.bytes_twice(), reader.ub(), reader.ub(), reader.u8(), reader.ub()
        if self.fields >= FIELDS_12_2:
            reader.ub()
        return BindType(kind, size)

    def _row(self, reader: Reader) -> list[Bind]:
        """Values in the order of the binds; on the wire the long ones come last."""
        assert reader.u8() == 7
        long = [number for number, kind in enumerate(self.pending) if kind.size > self._most_text]
        order = [number for number in range(len(self.pending)) if number not in long] + long
        found: dict[int, Bind] = {}
        for number in order:
            kind = self.pending[number].kind
            found[number] = Bind(kind, _value(kind, reader.bytes_()))
        return [found[number] for number in range(len(self.pending))]


def _value(kind: int, data: bytes | None) -> object:
    if data is None:
        return None
    if kind in (VARCHAR, CHAR, 8):
        return data.decode()
    if kind == NUMBER:
        return number_of(data)
    if kind == DATE or kind in TIMESTAMPS:
        return date_of(data)
    raise AssertionError(f"a bind of type {kind}")


def _fetch(reader: Reader, request: Request) -> None:
    request.cursor, request.rows = reader.ub(), reader.ub()


def _end_to_end(reader: Reader) -> dict[str, str]:
    """Client identifier, module, action and client info, as far as they are given."""
    reader.raw(2), reader.ub()
    given = [(name, reader.u8(), reader.ub()) for name in ("client_identifier", "module", "action")]
    reader.u8(), reader.ub(), reader.u8(), reader.ub()
    given.append(("client_info", reader.u8(), reader.ub()))
    reader.u8(), reader.ub(), reader.u8(), reader.ub()
    given.append(("dbop", reader.u8(), reader.ub()))
    return {name: reader.text() if length else "" for name, is_set, length in given if is_set}
