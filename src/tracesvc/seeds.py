"""Stage 1: from what an engineer types to containers (domain.md, 5)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from arro3.core import RecordBatch

from tracesvc.catalogue.stages import PATTERNS
from tracesvc.params import Seeds, fault, is_pattern, literals
from tracesvc.statements import Statements, pattern_bounds

MOST_OF_VALUE: Final = 2_000
MOST_SEEDS: Final = 30_000
# One more row than the limit shows that it is passed; a row may fit several values, and give two seeds.
_MOST_ROWS: Final = 2 * MOST_SEEDS
_ESCAPE: Final = str.maketrans({"!": "!!", "%": "!%", "_": "!_"})


class Seed(NamedTuple):
    """A container that a trace starts from; `match_source` says where a serial number was found."""

    container_id: str
    container_name: str | None
    match_source: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the answer."""
        found = {
            "container_id": self.container_id,
            "container_name": self.container_name,
            "lot_id": self.container_name or self.container_id,
        }
        return found if self.match_source is None else {**found, "match_source": self.match_source}


@dataclass(frozen=True)
class SeedAnswer:
    """The seeds by name and id; how many containers each value stands for, and which stand for none."""

    seeds: list[Seed]
    not_found: list[str] = field(default_factory=list)
    expansion: dict[str, int] = field(default_factory=dict)

    @property
    def container_ids(self) -> list[str]:
        """The seeds' ids, in the answer's order."""
        return [seed.container_id for seed in self.seeds]

    def to_dict(self) -> dict[str, Any]:
        """The answer of stage 1."""
        return {
            "stage": "seed-resolve",
            "seeds": [seed.to_dict() for seed in self.seeds],
            "seed_count": len(self.seeds),
            "not_found": self.not_found,
            "expansion": self.expansion,
        }


class _Row(NamedTuple):
    """A row of a seed statement: the name that matched, and the container that it names."""

    matched: str
    container_id: str
    container_name: str | None
    order: str | None
    kind: str | None

    @property
    def is_rework(self) -> bool:
        return _begins(self.container_name, "GD") or _begins(self.order, "GD")


def _begins(text: str | None, *beginnings: str) -> bool:
    return text is not None and text.startswith(beginnings)


Keep = Callable[[_Row], bool]


@dataclass(frozen=True)
class _Look:
    """One place to look for a name: a statement, and which of its rows count."""

    statement: str
    keep: Keep = lambda _row: True
    source: str | None = None


_BY_CONTAINER: Final = "seeds/container_name"
_BY_FIRST: Final = "seeds/first_name"
_BY_ORDER: Final = "seeds/work_order"
_BY_FINISHED: Final = "seeds/finished_name"
_PLACES: Final[Mapping[str, tuple[_Look, ...]]] = {
    "lot_id": (_Look(_BY_CONTAINER),),
    "wafer_lot": (_Look(_BY_FIRST, lambda row: row.kind == "LOT"),),
    "work_order": (_Look(_BY_ORDER, lambda row: _begins(row.order, "GA", "GC")),),
    "gd_work_order": (_Look(_BY_ORDER, lambda row: _begins(row.order, "GD")),),
    "gd_lot_id": (_Look(_BY_CONTAINER, lambda row: row.is_rework),),
    "serial_number": (
        _Look(_BY_FINISHED, source="finished_name"),
        _Look(_BY_CONTAINER, source="container_name"),
        _Look(_BY_FIRST, source="first_name"),
    ),
}
"""Where each kind of value is looked for: in the first place that knows it (domain.md, 5)."""


async def resolve_seeds(statements: Statements, asked: Seeds) -> SeedAnswer:
    """The containers that the values stand for, as typed or in upper case.

    Raises `InvalidParams` when a value, or all of them, stand for too many.
    """
    found: dict[str, Seed] = {}
    counts: Counter[str] = Counter()
    left = list(asked.values)
    for place in _PLACES[asked.resolve_type]:
        matches = _Matches(left)
        for batch in await _rows_of(statements, place, left):
            matches.take(batch, place)
        counts.update({value: len(ids) for value, ids in matches.ids.items()})
        for seed in matches.seeds.values():
            found.setdefault(seed.container_id, seed)
        _check_total(len(found))
        left = [value for value in left if not matches.ids.get(value)]
    seeds = sorted(
        found.values(), key=lambda seed: (seed.container_name or seed.container_id, seed.container_id)
    )
    expansion = {value: counts[value] for value in asked.values if counts[value]}
    return SeedAnswer(seeds, left, expansion)


class _Matches:
    """Which values the rows of one place stand for."""

    def __init__(self, values: Sequence[str]) -> None:
        self.ids: dict[str, set[str]] = {}
        self.seeds: dict[str, Seed] = {}
        self._exact: dict[str, list[str]] = {}
        self._patterns: list[tuple[str, re.Pattern[str]]] = []
        for value in values:
            if is_pattern(value):
                self._patterns.append(
                    (value, re.compile("|".join(map(_regex, _spellings(value))), re.DOTALL))
                )
            else:
                for spelling in _spellings(value):
                    self._exact.setdefault(spelling, []).append(value)

    def take(self, batch: RecordBatch, place: _Look) -> None:
        """One batch of a statement's rows."""
        for row in _containers(batch):
            if place.keep(row):
                values = self._values_of(row.matched)
                for value in values:
                    self._count(value, row)
                if values:
                    self.seeds[row.container_id] = Seed(row.container_id, row.container_name, place.source)
        _check_total(len(self.seeds))

    def _count(self, value: str, row: _Row) -> None:
        ids = self.ids.setdefault(value, set())
        ids.add(row.container_id)
        if len(ids) > MOST_OF_VALUE:
            message = f"{value!r} stands for more than {MOST_OF_VALUE} containers; narrow it down"
            raise fault(("values",), message, "too_many_matches")

    def _values_of(self, name: str) -> list[str]:
        fitting = [value for value, pattern in self._patterns if pattern.fullmatch(name)]
        return [*self._exact.get(name, ()), *fitting]


def _check_total(count: int) -> None:
    if count > MOST_SEEDS:
        message = f"the values stand for more than {MOST_SEEDS} containers; ask for fewer at once"
        raise fault(("values",), message, "too_many_matches")


def _spellings(value: str) -> list[str]:
    return list(dict.fromkeys((value, value.upper())))


def _regex(pattern: str) -> str:
    return ".*".join(map(re.escape, literals(pattern)))


def _like(pattern: str) -> str:
    return "%".join(part.translate(_ESCAPE) for part in literals(pattern))


async def _rows_of(statements: Statements, place: _Look, values: Sequence[str]) -> list[RecordBatch]:
    """What one place knows of the values: names a thousand, patterns ten a statement, each in order."""
    names = sorted({s for value in values if not is_pattern(value) for s in _spellings(value)})
    found: list[RecordBatch] = []
    rows = 0

    async def take(batch: RecordBatch) -> None:
        nonlocal rows
        found.append(batch)
        rows += batch.num_rows
        if rows > _MOST_ROWS:
            _check_total(rows)

    await statements.lists(place.statement, "names", names, {}, take)
    patterns = sorted({s for value in values if is_pattern(value) for s in _spellings(value)})
    for start in range(0, len(patterns), len(PATTERNS)):
        part = patterns[start : start + len(PATTERNS)]
        bound = dict(zip(PATTERNS, map(_like, [*part, *[part[-1]] * len(PATTERNS)]), strict=False))
        near = pattern_bounds([literals(pattern)[0] for pattern in part])
        for batch in await statements.read(f"{place.statement}_like", {**bound, **near}, most=_MOST_ROWS):
            await take(batch)
    return found


def _containers(batch: RecordBatch) -> Iterator[_Row]:
    """The rows that name a container; a row of the combine table names two."""
    columns = [column.to_pylist() for column in batch.columns]
    rows: Iterable[tuple[str | None, ...]] = zip(*columns, strict=True)
    finished = "LOTID" in batch.column_names
    for matched, container_id, name, third, fourth in rows:
        if matched is None:
            continue
        if container_id is not None:
            yield _Row(matched, container_id, name, None if finished else third, None if finished else fourth)
        if finished and third is not None:
            yield _Row(matched, third, fourth, None, None)
