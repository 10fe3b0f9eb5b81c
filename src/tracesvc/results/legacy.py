"""A result that the older layout left: one JSON document under one key, read record by record.

The document is the whole result of protocol.md, section 3, in any white space and member order, of
any size. It is never held: a piece of it and one record are (protocol.md, section 2, rule 9).
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import AsyncIterator
from typing import Final

from tracesvc.errors import ChunkCorrupt

# The grammar of RFC 8259 over bytes. Every repetition is possessive: no pattern can backtrack.
_WS: Final = rb"[ \t\r\n]*+"
_IN_STRING: Final = rb'[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+'
_STRING: Final = rb'"' + _IN_STRING + rb'"'
_SCALAR: Final = _STRING + rb"|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+|true|false|null"


def _flat(ws: bytes) -> bytes:
    """An object without objects or arrays in it, as records are."""
    member = _STRING + ws + b":" + ws + b"(?:" + _SCALAR + b")" + ws
    return rb"\{" + ws + b"(?:" + member + b"(?:," + ws + member + b")*+)?+" + rb"\}"


# With the white space left out of the pattern a compact document reads at twice the speed.
_TIGHT_ITEM: Final = re.compile(b"(" + _flat(b"") + rb")([,\]])")
_LOOSE_ITEM: Final = re.compile(_WS + b"(" + _flat(_WS) + b")" + _WS + rb"([,\]])")
_SOLID: Final = re.compile(rb'(?:[^" \t\r\n]++|' + _STRING + rb")++")
# What more bytes could still complete: the beginning of a token, or a name that waits for its colon.
_CUT: Final = re.compile(
    _WS
    + rb"(?:[-+.0-9A-Za-z]*+|"
    + _STRING
    + _WS
    + rb'|"'
    + _IN_STRING
    + rb"(?:\\(?:u[0-9a-fA-F]{0,3})?+)?+)\Z"
)
_CUT_SCALAR: Final = re.compile(rb"[-+.0-9A-Za-z]*+\Z")

_NAME: Final = _WS + b"(" + _STRING + b")" + _WS + b":"
_OPEN: Final = re.compile(_WS + rb"(\{)")
_OPEN_LIST: Final = re.compile(_WS + rb"(\[)")
_FIRST_NAME: Final = re.compile(_NAME + b"|" + _WS + rb"\}")
_NEXT_NAME: Final = re.compile(_NAME)
_AFTER_MEMBER: Final = re.compile(_WS + rb"([,}])")
_AFTER_ITEM: Final = re.compile(_WS + rb"([,\]])")
_VALUE: Final = re.compile(_WS + rb"([{\[]|" + _SCALAR + b")")
_FIRST_VALUE: Final = re.compile(_WS + rb"([{\[\]]|" + _SCALAR + b")")
_BLANK: Final = re.compile(_WS)


class Scan:
    """The records of a document, `(domain, record)` in its order; a record is a compact JSON object.

    Numbers and text stand as the document has them. Iterate once; then `domains` counts the records
    of each domain (empty ones too), and `members` holds the compact bytes of every other member:
    `aggregation`, `failed_domains`, `code`. Iterating raises `ChunkCorrupt`, which carries `position`
    (a byte of the document), when it is cut short, is no JSON, is no such result, or holds other
    counts than it says.
    """

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._text = _Text(pieces)
        self.domains: dict[str, int] = {}
        self.members: dict[str, bytes] = {}

    async def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        text = self._text
        seen = False
        await text.take(_OPEN)
        async for name in text.names():
            if name != "results":
                self.members[name] = await text.value()
                continue
            if seen:
                raise text.fault("a second `results`")
            seen = True
            await text.take(_OPEN)
            async for domain in text.names():
                async for record in self._domain(domain):
                    yield domain, record
        if not seen:
            raise text.fault("no `results`")
        await text.end()

    async def _domain(self, domain: str) -> AsyncIterator[bytes]:
        text = self._text
        if domain in self.domains:
            raise text.fault(f"a second `{domain}`")
        self.domains[domain] = count = 0
        said: dict[str, bytes] = {}
        await text.take(_OPEN)
        async for name in text.names():
            if name in said:
                raise text.fault(f"a second `{name}`")
            said[name] = b""
            if name != "data":
                said[name] = await text.value()
                continue
            async for record in text.items():
                count += 1
                yield record
        self.domains[domain] = count
        for name in ("count", "total"):
            if said.get(name, b"%d" % count) != b"%d" % count:
                raise text.fault(f"`{domain}` with {count} records and another `{name}`")


def scan(pieces: AsyncIterator[bytes]) -> Scan:
    """Read the document whose bytes arrive in `pieces`, cut anywhere."""
    return Scan(pieces)


def _compact(raw: bytes) -> bytes:
    """Without the white space outside of strings: 100 MB/s, or 50 where a string holds a quote."""
    if b'\\"' in raw:
        return b"".join(_SOLID.findall(raw))
    parts = raw.split(b'"')
    parts[::2] = b'"'.join(parts[::2]).translate(None, b" \t\r\n").split(b'"')
    return b'"'.join(parts)


class _Text:
    """The part of the document that is at hand, and the place in it."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._data = b""
        self._pos = 0
        self._base = 0
        self._ended = False
        self._utf8 = codecs.getincrementaldecoder("utf-8")()

    def fault(self, what: str, pos: int | None = None) -> ChunkCorrupt:
        """The error to raise for what stands at `pos`, by default at the present place."""
        position = self._base + (self._pos if pos is None else pos)
        return ChunkCorrupt(
            f"The stored result of this job is damaged: {what} at byte {position}. Run the trace again.",
            position=position,
        )

    async def take(self, pattern: re.Pattern[bytes]) -> bytes | None:
        """Consume one token and yield its first group."""
        while (found := pattern.match(self._data, self._pos)) is None:
            await self._more_or_fault(self._pos)
        self._pos = found.end()
        group: bytes | None = found[1]
        return group

    async def names(self) -> AsyncIterator[str]:
        """The members of an object whose brace was taken; the caller consumes each value."""
        name = await self.take(_FIRST_NAME)
        while name is not None:
            yield json.loads(name)
            name = await self.take(_NEXT_NAME) if await self.take(_AFTER_MEMBER) == b"," else None

    async def items(self) -> AsyncIterator[bytes]:
        """The objects of an array, compact."""
        await self.take(_OPEN_LIST)
        if await self._closes_at_once():
            return
        more = True
        while more:
            if found := _TIGHT_ITEM.match(self._data, self._pos):
                record, after = found.groups()
                self._pos = found.end()
            elif found := _LOOSE_ITEM.match(self._data, self._pos):
                record, after = _compact(found[1]), found[2]
                self._pos = found.end()
            else:
                record = await self.value()
                if record[:1] != b"{":
                    raise self.fault("a record that is no object")
                after = await self.take(_AFTER_ITEM)
            yield record
            more = after == b","

    async def value(self) -> bytes:
        """Consume any value and yield it compact."""
        while (end := self._end_of_value()) < 0:
            await self._more_or_fault(~end)
        raw = self._data[self._pos : end]
        self._pos = end
        return _compact(raw)

    async def end(self) -> None:
        """Nothing may follow but white space."""
        while True:
            blank = _BLANK.match(self._data, self._pos)
            self._pos = blank.end() if blank else self._pos
            if self._pos < len(self._data):
                raise self.fault("something after the end")
            if self._ended:
                return
            await self._more()

    async def _closes_at_once(self) -> bool:
        found = await self._peek(_FIRST_VALUE)
        if found[1] != b"]":
            return False
        self._pos = found.end()
        return True

    async def _peek(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        while (found := pattern.match(self._data, self._pos)) is None:
            await self._more_or_fault(self._pos)
        return found

    def _end_of_value(self) -> int:
        """Where the value ends, or `~place` where its grammar breaks off. Nesting costs no recursion."""
        data, pos = self._data, self._pos
        closers = bytearray()
        wanted = _VALUE
        while True:
            found = wanted.match(data, pos)
            if found is None:
                return ~pos
            pos = found.end()
            token: bytes | None = found[1]
            if wanted is _FIRST_NAME or wanted is _NEXT_NAME:
                if token is not None:
                    wanted = _VALUE
                    continue
                closers.pop()
            elif token == b"{":
                closers += b"}"
                wanted = _FIRST_NAME
                continue
            elif token == b"[":
                closers += b"]"
                wanted = _FIRST_VALUE
                continue
            elif token == b",":
                wanted = _NEXT_NAME if closers[-1:] == b"}" else _VALUE
                continue
            elif token in {b"}", b"]"}:
                closers.pop()
            if not closers:
                cut = not self._ended and _CUT_SCALAR.match(data, pos) and token not in {None, b"]", b"}"}
                return ~pos if cut else pos
            wanted = _AFTER_MEMBER if closers[-1:] == b"}" else _AFTER_ITEM

    async def _more_or_fault(self, pos: int) -> None:
        """Read on if the document was only cut at `pos`.

        Twice as much as waits: so no value is looked at more often than the logarithm of its size.
        """
        if not _CUT.match(self._data, pos):
            raise self.fault("something unexpected", pos)
        if self._ended:
            raise self.fault("an early end", len(self._data))
        wanted = 2 * (len(self._data) - self._pos)
        await self._more()
        while len(self._data) < wanted and not self._ended:
            await self._more()

    async def _more(self) -> None:
        piece = await anext(self._pieces, None)
        start = self._base + len(self._data) - len(self._utf8.getstate()[0])
        self._ended = piece is None
        piece = piece or b""
        try:
            self._utf8.decode(piece, final=self._ended)
        except UnicodeDecodeError as error:
            raise self.fault("something that is not UTF-8", start - self._base + error.start) from None
        self._data = self._data[self._pos :] + piece
        self._base += self._pos
        self._pos = 0
