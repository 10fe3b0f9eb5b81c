"""A lineage as its callers take it: JSON in pieces, container ids, members and roots."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

import orjson
from arro3.core import RecordBatch

from tracesvc.lineage.closure import close_over
from tracesvc.lineage.walk import Walk
from tracesvc.params import Direction
from tracesvc.scratch import Scratch
from tracesvc.statements import Statements

PIECE_BYTES: Final = 64 * 1024

_MEMBERS: Final = "SELECT seed AS SEED_ID, id AS CONTAINER_ID FROM reach ORDER BY seed, id"
# An ancestor without parents, by its name; parents beyond the depth limit are parents, too.
_ROOTS: Final = """
SELECT r.seed AS SEED_ID, coalesce(
    min(coalesce(n.name, n.id)) FILTER (r.id <> r.seed AND r.id NOT IN (SELECT to_id FROM edge)),
    min(coalesce(n.name, n.id)) FILTER (r.id = r.seed)
) AS ROOT_NAME
FROM reach AS r JOIN node AS n USING (id) GROUP BY r.seed ORDER BY r.seed
"""
_LEAVES: Final = "SELECT id FROM node WHERE id NOT IN (SELECT from_id FROM edge)"


def _text(row: Sequence[Any]) -> bytes:
    return orjson.dumps(row[0])


def _pair(row: Sequence[Any]) -> bytes:
    return b"%s:%s" % (orjson.dumps(row[0]), orjson.dumps(row[1]))


def _node(row: Sequence[Any]) -> bytes:
    names = ("container_id", "container_name", "mfgorder_name", "wafer_lot", "node_type")
    return b"%s:%s" % (orjson.dumps(row[0]), orjson.dumps(dict(zip(names, row, strict=True))))


def _edge(row: Sequence[Any]) -> bytes:
    return orjson.dumps(dict(zip(("from_cid", "to_cid", "edge_type"), row, strict=True)))


class _Section(NamedTuple):
    """A member of the answer: a list or an object of what each row gives, or, without `item`, lists by key.

    Rows of lists are (key, value), sorted; a null value stands for no value.
    """

    name: str
    brackets: Literal["[]", "{}"]
    sql: str
    item: Callable[[Sequence[Any]], bytes] | None = None


_BOTH: Final = (
    _Section(
        "roots",
        "[]",
        "SELECT id FROM node WHERE id NOT IN (SELECT to_id FROM link) ORDER BY coalesce(name, id), id",
        _text,
    ),
    _Section("nodes", "{}", "SELECT id, name, work_order, wafer, type FROM node ORDER BY id", _node),
    _Section("edges", "[]", "SELECT from_id, to_id, kind FROM link ORDER BY from_id, to_id, kind", _edge),
    _Section("names", "{}", "SELECT id, name FROM node WHERE name IS NOT NULL ORDER BY id", _pair),
)
_ONE_WAY: Final[dict[Direction, tuple[_Section, ...]]] = {
    "backward": (
        _Section(
            "ancestors",
            "{}",
            "SELECT seed, nullif(id, seed) AS id FROM reach ORDER BY seed, id NULLS FIRST",
        ),
        _Section("parent_map", "{}", "SELECT DISTINCT to_id, from_id FROM link ORDER BY to_id, from_id"),
        _Section(
            "merge_edges",
            "{}",
            "SELECT to_id, from_id FROM link WHERE kind = 'merge_source' ORDER BY to_id, from_id",
        ),
        _Section("seed_roots", "{}", _ROOTS, _pair),
    ),
    "forward": (
        _Section("children_map", "{}", "SELECT DISTINCT from_id, to_id FROM link ORDER BY from_id, to_id"),
        _Section(
            "leaf_serials",
            "{}",
            f"""SELECT DISTINCT l.id, m.serial
            FROM ({_LEAVES}) AS l JOIN merge AS m ON l.id = coalesce(m.finished, m.source)
            WHERE m.serial IS NOT NULL ORDER BY l.id, m.serial""",  # noqa: S608 - our own query
        ),
    ),
}


class Lineage:
    """Everything that the seeds reach, one way: `depth` levels of it, `truncated` when the limit cut."""

    def __init__(self, scratch: Scratch, direction: Direction, depth: int, *, truncated: bool) -> None:
        self.direction = direction
        self.depth = depth
        self.truncated = truncated
        self._scratch = scratch

    async def container_ids(self) -> list[str]:
        """The seeds and all that they reach, in ascending order."""
        return await self._scratch.texts("SELECT id FROM node ORDER BY id")

    def members(self) -> AsyncGenerator[RecordBatch]:
        """SEED_ID, CONTAINER_ID: each seed with itself and every container that it reaches."""
        return self._scratch.batches(_MEMBERS)

    def roots(self) -> AsyncGenerator[RecordBatch]:
        """SEED_ID, ROOT_NAME: of a backward lineage, what each seed came from at first."""
        return self._scratch.batches(_ROOTS)

    async def answer(self) -> dict[str, Any]:
        """The answer of stage 2, at once; for small ones."""
        found: dict[str, Any] = orjson.loads(b"".join([piece async for piece in self.pieces()]))
        return found

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The same as one JSON object, in parts of about `PIECE_BYTES`."""
        held = bytearray()
        async with contextlib.aclosing(self._parts()) as parts:
            async for part in parts:
                held += part
                if len(held) >= PIECE_BYTES:
                    yield bytes(held)
                    held.clear()
        yield bytes(held)

    async def _parts(self) -> AsyncGenerator[bytes]:
        total = await self._scratch.value("SELECT count(*) FROM node")
        head = {
            "stage": "lineage",
            "direction": self.direction,
            "total_nodes": total,
            "depth": self.depth,
            "truncated": self.truncated,
        }
        yield orjson.dumps(head)[:-1]
        for section in (*_BOTH, *_ONE_WAY[self.direction]):
            yield b',"%s":%s' % (section.name.encode(), section.brackets[:1].encode())
            written = self._lists(section) if section.item is None else self._items(section, section.item)
            async with contextlib.aclosing(written):
                async for part in written:
                    yield part
            yield section.brackets[1:].encode()
        yield b"}"

    async def _items(
        self, section: _Section, item: Callable[[Sequence[Any]], bytes]
    ) -> AsyncGenerator[bytes]:
        comma = b""
        async with contextlib.aclosing(self._scratch.rows(section.sql)) as rows:
            async for row in rows:
                yield comma + item(row)
                comma = b","

    async def _lists(self, section: _Section) -> AsyncGenerator[bytes]:
        key, comma = None, b""
        async with contextlib.aclosing(self._scratch.rows(section.sql)) as rows:
            async for name, value in rows:
                if name != key:
                    yield b"%s%s:[" % (b"" if key is None else b"],", orjson.dumps(name))
                    key, comma = name, b""
                if value is not None:
                    yield comma + orjson.dumps(value)
                    comma = b","
        if key is not None:
            yield b"]"


@contextlib.asynccontextmanager
async def lineage_of(
    statements: Statements, container_ids: Sequence[str], direction: Direction, memory_mib: int
) -> AsyncGenerator[Lineage]:
    """The lineage of these containers, good until the block is left."""
    async with Scratch(memory_mib) as scratch:
        walk = Walk(statements, scratch, direction)
        await walk.run(container_ids)
        depth, truncated = await close_over(scratch, direction)
        if direction == "forward":
            await walk.serials(_LEAVES)
        yield Lineage(scratch, direction, depth, truncated=truncated)
