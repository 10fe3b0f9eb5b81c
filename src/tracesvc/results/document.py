"""A result as one JSON document (protocol.md, 3), written as it is read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson

from tracesvc.line_bytes import DATA_KEY, rows_of
from tracesvc.lines import AggregationLine, DomainEndLine, DomainStartLine, ErrorLine
from tracesvc.results.pieces import LineInflater, LinePart, Pieces, Records

PARTIAL = "EVENTS_PARTIAL_FAILURE"
LINE_END = b"}\n"


async def to_document(pieces: Pieces) -> AsyncIterator[bytes]:
    """The whole result from its pieces, in bounded memory; a stream that breaks off still closes it."""
    writer = _Writer()
    yield b'{"stage":"events","results":{'
    async for piece in pieces:
        if data := writer.write(piece):
            yield data
    yield writer.close()


async def to_answer(pieces: Pieces) -> AsyncIterator[bytes]:
    """The answer of a stage that was all of its job: what its line holds as `data`, a little at a time."""
    inflater = LineInflater()
    head, held = b"", b""
    async for piece in pieces:
        if isinstance(piece, LinePart):
            for data in inflater.parts(piece):
                held += data
                if not head:
                    head, held = held[: held.index(DATA_KEY)], held[held.index(DATA_KEY) + len(DATA_KEY) :]
                yield held[: -len(LINE_END)]
                held = held[-len(LINE_END) :]


class _Writer:
    def __init__(self) -> None:
        self._domains = 0
        self._open: str | None = None
        self._rows = 0
        self._failed: list[str] = []
        self._code: str | None = None
        self._aggregation: object = None
        self._line = bytearray()
        self._inflater = LineInflater()

    def write(self, piece: object) -> bytes:
        if isinstance(piece, Records):
            line = piece.line()
            rows = rows_of(line)[1:-1]
            comma = b"," if self._rows else b""
            self._rows += 1
            return comma + rows
        if isinstance(piece, DomainStartLine):
            self._open, self._rows = piece.domain, 0
            self._domains += 1
            before = "," if self._domains > 1 else ""
            return f'{before}"{piece.domain}":{{"data":['.encode()
        if isinstance(piece, DomainEndLine):
            self._open = None
            if piece.status != "ok":
                self._failed.append(piece.domain)
                self._code = self._code or PARTIAL
            return f'],"count":{piece.count},"total":{piece.count}}}'.encode()
        if isinstance(piece, LinePart):
            if piece.kind == "aggregation":
                self._line += b"".join(self._inflater.parts(piece))
        elif isinstance(piece, ErrorLine):
            self._code = piece.code
        elif isinstance(piece, AggregationLine):
            self._aggregation = piece.data
        return b""

    def close(self) -> bytes:
        """The end of the document; a domain that was cut off is closed without claiming a total."""
        cut = b""
        if self._open is not None:
            self._failed.append(self._open)
            cut = b'],"count":null,"total":null}'
        aggregation = rows_of(bytes(self._line)) if self._line else orjson.dumps(self._aggregation)
        tail = {"failed_domains": self._failed, "code": self._code}
        return b"".join((cut, b'},"aggregation":', aggregation, b",", orjson.dumps(tail)[1:]))
