"""A lineage that the client sent along with its containers, as members and roots of an analysis."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from typing import Final

from arro3.core import Array, DataType, RecordBatch, Schema

from tracesvc.query import Lineage, TraceQuery

PAIRS_A_BATCH: Final = 10_000

Pair = tuple[str, str | None]


def told_members(query: TraceQuery) -> AsyncGenerator[RecordBatch]:
    """SEED_ID, CONTAINER_ID: each seed with itself and what the client's lineage says that it reaches."""
    return _batches(("SEED_ID", "CONTAINER_ID"), _members(query, query.lineage or Lineage()))


def told_roots(query: TraceQuery) -> AsyncGenerator[RecordBatch]:
    """SEED_ID, ROOT_NAME: the roots that the client named."""
    roots = (query.lineage or Lineage()).seed_roots
    return _batches(("SEED_ID", "ROOT_NAME"), iter(roots.items()))


def _members(query: TraceQuery, lineage: Lineage) -> Iterator[Pair]:
    for seed in query.seed_container_ids or query.container_ids:
        yield seed, seed
        if query.direction == "backward":
            reached: Iterable[str] = lineage.ancestors.get(seed, ())
        else:
            reached = _descendants(seed, lineage.children_map)
        for container in dict.fromkeys(reached):
            yield seed, container


def _descendants(seed: str, children: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Everything below a seed, once; cycles end."""
    known, todo = {seed}, [seed]
    while todo:
        for child in children.get(todo.pop(), ()):
            if child not in known:
                known.add(child)
                todo.append(child)
                yield child


async def _batches(names: tuple[str, str], pairs: Iterator[Pair]) -> AsyncGenerator[RecordBatch]:
    while part := list(itertools.islice(pairs, PAIRS_A_BATCH)):
        columns = [Array(list(values), type=DataType.string()) for values in zip(*part, strict=True)]
        fields = [column.field.with_name(name) for column, name in zip(columns, names, strict=True)]
        yield RecordBatch.from_arrays(columns, schema=Schema(fields))
