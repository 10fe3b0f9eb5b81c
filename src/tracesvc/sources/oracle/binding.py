"""Statements as they are sent: without comments, and with lists of ids as a fixed number of binds.

The text never depends on how many ids are asked for, so the database parses each statement once.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import oracledb

from tracesvc.sources.base import SourceError, is_id_list

BLOCK: Final = 1000
"""Binds of a list: what Oracle takes in one IN list. The last block is filled up with its last id."""
_ID_CHARACTERS: Final = 64
_TOKENS: Final = re.compile(r"('(?:[^']|'')*'|\"[^\"]*\")|(--[^\n]*|/\*.*?\*/)|:([A-Za-z]\w*)", re.DOTALL)
_QUERY: Final = re.compile(r"\s*(?:SELECT|WITH)\b", re.IGNORECASE)

Binds = dict[str, object]


@dataclass(frozen=True)
class Prepared:
    """A statement's text, and its binds: `scalars` by their names, `lists` blocks of them."""

    text: str
    scalars: frozenset[str]
    lists: frozenset[str]

    def blocks(self, params: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
        """The values of each run of the statement: one for each `BLOCK` ids, one for an empty list."""
        missing = (self.scalars | self.lists) - params.keys()
        if missing:
            raise SourceError(f"the statement needs a value for :{min(missing)}")
        long = [name for name in self.lists if len(_ids(params[name])) > BLOCK]
        if not long:
            yield params
            return
        if len(self.lists) > 1:
            raise SourceError(f"a statement with several lists takes at most {BLOCK} ids in each")
        ids = _ids(params[long[0]])
        for start in range(0, len(ids), BLOCK):
            yield {**params, long[0]: ids[start : start + BLOCK]}

    def binds(self, lists: ListBinds, params: Mapping[str, object]) -> Binds:
        """Values as the driver takes them."""
        found: Binds = {name: params[name] for name in self.scalars}
        for name in self.lists:
            found |= lists.filled(name, _ids(params[name]))
        return found


class ListBinds:
    """The binds of one connection's lists, made once and filled for each run: a thousand take 8 ms to make.

    Ids are bound as CHAR, so that blanks at a column's end do not count.
    """

    def __init__(self, connection: oracledb.Connection) -> None:
        self._connection = connection
        self._made: dict[str, tuple[int, dict[str, oracledb.Var]]] = {}

    def filled(self, name: str, ids: Sequence[str]) -> Mapping[str, oracledb.Var]:
        """The binds of the list `name` with these ids, at most `BLOCK` of them."""
        longest = max(map(len, ids), default=0)
        size, binds = self._made.get(name, (0, {}))
        if longest > size or not binds:
            size = max(_ID_CHARACTERS, longest)
            with self._connection.cursor() as cursor:
                binds = {
                    _member(name, place): cursor.var(oracledb.DB_TYPE_CHAR, size=size)
                    for place in range(BLOCK)
                }
            self._made[name] = size, binds
        rest = itertools.repeat(ids[-1] if ids else None)
        for bind, value in zip(binds.values(), itertools.chain(ids, rest), strict=False):
            bind.setvalue(0, value)
        return binds


def _ids(value: object) -> Sequence[str]:
    assert isinstance(value, Sequence)
    return value


def _member(name: str, place: int) -> str:
    return f"{name[:20]}_{place}"


@functools.lru_cache(256)
def prepare(sql: str, lists: frozenset[str]) -> Prepared:
    """The statement as it is sent; `lists` names the binds that stand for lists. Raises `SourceError`."""
    names: set[str] = set()

    def rewritten(match: re.Match[str]) -> str:
        quoted, comment, name = match.groups()
        if quoted:
            return str(quoted)
        if comment:
            return " "
        names.add(name)
        if name not in lists:
            return f":{name}"
        return ", ".join(f":{_member(name, place)}" for place in range(BLOCK))

    text = _TOKENS.sub(rewritten, sql).strip().rstrip(";")
    if not _QUERY.match(text):
        raise SourceError("only a query (SELECT) may run: the warehouse is read-only")
    return Prepared(text, frozenset(names - lists), frozenset(names & lists))


def list_names(params: Mapping[str, object]) -> frozenset[str]:
    """The names of the binds that stand for lists."""
    return frozenset(name for name, value in params.items() if is_id_list(value))


def unit_key(sql: str, params: Mapping[str, object]) -> int:
    """Tells one run of a statement from the others of this process."""
    values = (tuple(value) if is_id_list(value) else value for value in params.values())  # type: ignore[arg-type]
    return hash((sql, *params, *(value for value in values if not isinstance(value, datetime))))
