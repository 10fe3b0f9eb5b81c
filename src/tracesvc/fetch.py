"""EventFetcher: container ids and a domain become Arrow batches, lines, or rows by container."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

from arro3.compute import cast, dictionary_encode
from arro3.core import Array, DataType, RecordBatch, Schema, Table, dictionary_dictionary

from tracesvc import clock, spans
from tracesvc.ahead import ReadAhead
from tracesvc.catalogue import Catalogue, Column, Domain
from tracesvc.encoders import in_encoder
from tracesvc.lines import Rows
from tracesvc.matching import match_lists
from tracesvc.results.rows import encode_rows
from tracesvc.slots import Slots
from tracesvc.sources.base import Source

CONTAINER = "CONTAINERID"
# Batches of a statement that wait to be encoded: enough for a whole unit, so that its statement ends early.
BATCHES_AHEAD = 4


class Cache(Protocol):
    """Where the lines of a unit may be kept for a while, for all processes."""

    async def get(self, key: Sequence[str]) -> list[Rows] | None:
        """The lines kept under `key`, or None."""
        ...

    async def put(self, key: Sequence[str], rows: list[Rows], seconds: int) -> None:
        """Keep lines for `seconds`, when there is room."""
        ...


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Rows a line and a round trip, when the cache is passed by, and the zone of the plant's clock."""

    line_rows: int
    round_trip_rows: int
    cache_skip_cids: int
    cache_max_bytes: int
    plant_timezone: str


class EventFetcher:
    """Reads event domains from a source, by the catalogue's statements.

    A statement runs when it has one of `slots`. Errors are the source's (`sources.base`).
    """

    def __init__(
        self,
        source: Source,
        catalogue: Catalogue,
        limits: FetchLimits,
        slots: Slots,
        cache: Cache | None,
    ) -> None:
        self._source = source
        self._catalogue = catalogue
        self._limits = limits
        self._slots = slots
        self._cache = cache

    async def ping(self) -> None:
        """Raise when the source cannot answer now."""
        await self._source.ping()

    def unit_size(self, domain: str, most: int) -> int | None:
        """How many containers a statement of this domain takes; None: all at once."""
        declared = self._catalogue.domains[domain].ids_per_unit
        return None if declared is None else min(declared, most)

    async def batches(
        self,
        domain: str,
        container_ids: Sequence[str],
        *,
        as_of: datetime,
        gate: contextlib.AbstractAsyncContextManager[object] | None = None,
    ) -> AsyncGenerator[RecordBatch, None]:
        """Arrow batches with the domain's declared columns, in its order.

        At most 1000 ids, but any number of them where the domain has no limit (`jobs`). A slot, and
        `gate`, are held until the first batch is there: every statement sorts, so its work is done then,
        and who waits for its reader blocks nobody.
        """
        spec = self._catalogue.domains[domain]
        params: dict[str, object] = {"as_of": as_of} if ":as_of" in spec.sql else {}
        if spec.list_column is None:
            params["container_ids"] = list(container_ids)
        found = self._source.batches(spec.sql, params, batch_size=self._limits.round_trip_rows)
        if spec.list_column is not None:
            found = match_lists(found, spec, container_ids, self._limits.round_trip_rows)
        async with contextlib.aclosing(found):
            async with gate or contextlib.nullcontext(), self._slots.slot():
                with spans.span("statement", domain=domain, containers=len(container_ids)):
                    batch = await anext(found, None)
            while batch is not None:
                yield conform(batch, spec.columns)
                batch = await anext(found, None)

    async def lines(
        self,
        domain: str,
        container_ids: Sequence[str],
        *,
        as_of: datetime,
        asked: int,
        gate: asyncio.Semaphore,
    ) -> AsyncGenerator[Rows, None]:
        """The same, cut to lines and encoded.

        `asked` is the size of the whole trace: large ones pass the cache by. `gate` is held while the
        statement runs, which goes on while its batches are encoded.
        """
        spec = self._catalogue.domains[domain]
        cache = self._cache if asked <= self._limits.cache_skip_cids else None
        key = (
            self._source.name,
            self._catalogue.fingerprint,
            domain,
            str(self._limits.line_rows),
            *container_ids,
        )
        if cache is not None and (kept := await cache.get(key)) is not None:
            for rows in kept:
                yield rows
            return
        keep = _Keeper(spec, self._limits.cache_max_bytes)
        found = ReadAhead(self.batches(domain, container_ids, as_of=as_of, gate=gate), BATCHES_AHEAD)
        try:
            async for batch in recut(found, self._limits.line_rows):
                rows = await in_encoder(partial(_encode, batch))
                if cache is not None:
                    keep.take(batch, rows)
                yield rows
        finally:
            await found.close()
        if cache is not None and keep.worth_keeping:
            await cache.put(key, keep.rows, spec.cache_seconds)

    async def fetch_events_iter(
        self, container_ids: Sequence[str], domain: str, batch_size: int = 1000
    ) -> AsyncIterator[dict[str, list[dict[str, Any]]]]:
        """Records by container, in groups of at most `batch_size` containers, each container whole.

        Values are Python's: text, `datetime` (naive, plant-local), `int` for whole numbers and `Decimal`
        for others, None. A container without records is in no group.
        """
        as_of = clock.plant_time(clock.now(), self._limits.plant_timezone)
        size = self.unit_size(domain, min(batch_size, 1000)) or len(container_ids)
        for start in range(0, len(container_ids), size):
            found = self.batches(domain, container_ids[start : start + size], as_of=as_of)
            async with contextlib.aclosing(found):
                async for group in _grouped(found, batch_size):
                    yield group


async def _grouped(
    batches: AsyncIterator[RecordBatch], size: int
) -> AsyncIterator[dict[str, list[dict[str, Any]]]]:
    group: dict[str, list[dict[str, Any]]] = {}
    async for batch in batches:
        for record in _records(batch):
            container = record[CONTAINER]
            if container not in group and len(group) >= size:
                yield group
                group = {}
            group.setdefault(container, []).append(record)
    if group:
        yield group


def _records(batch: RecordBatch) -> list[dict[str, Any]]:
    columns = {
        name: [_native(value) for value in batch.column(name).to_pylist()] for name in batch.column_names
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _native(value: object) -> object:
    if isinstance(value, float):
        value = Decimal(repr(value)) if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else value.normalize()
    return value


class _Keeper:
    """The lines of one unit, as long as they are worth keeping."""

    def __init__(self, spec: Domain, max_bytes: int) -> None:
        self.rows: list[Rows] = []
        self.worth_keeping = max_bytes > 0
        self._open_column = spec.open_column
        self._left = max_bytes

    def take(self, batch: RecordBatch, rows: Rows) -> None:
        """One more line. A unit with a row that is still open is not kept: it depends on the moment."""
        self._left -= len(rows.data)
        is_open = self._open_column is not None and batch.column(self._open_column).null_count > 0
        if is_open or self._left < 0:
            self.worth_keeping = False
            self.rows = []
        elif self.worth_keeping:
            self.rows.append(rows)


def _encode(batch: RecordBatch) -> Rows:
    containers = dictionary_dictionary(dictionary_encode(batch.column(CONTAINER))).to_pylist()
    return Rows(encode_rows(batch), batch.num_rows, set(containers))


async def recut(batches: AsyncIterable[RecordBatch], size: int) -> AsyncIterator[RecordBatch]:
    """The same rows in batches of exactly `size`, the last one shorter; without copying where it fits."""
    waiting: list[RecordBatch] = []
    rows = 0
    async for batch in batches:
        if not rows and batch.num_rows == size:
            yield batch
            continue
        if batch.num_rows:
            waiting.append(batch)
            rows += batch.num_rows
        while rows >= size:
            full, rest = _split(waiting, size)
            yield full
            waiting = [rest] if rest.num_rows else []
            rows -= size
    if rows:
        yield _split(waiting, rows)[0]


def _split(batches: list[RecordBatch], size: int) -> tuple[RecordBatch, RecordBatch]:
    whole = batches[0] if len(batches) == 1 else Table.from_batches(batches).combine_chunks().to_batches()[0]
    return whole.slice(0, size), whole.slice(size, whole.num_rows - size)


def conform(batch: RecordBatch, declared: Sequence[Column]) -> RecordBatch:
    """The batch with the declared columns, in order and of their types, whatever it held.

    Numbers keep the exact type they came in; a column that is missing is null.
    """
    names = {name.upper(): name for name in batch.column_names}
    columns = []
    for column in declared:
        name = names.get(column.name)
        found = Array([None] * batch.num_rows, type=DataType.string()) if name is None else batch.column(name)
        columns.append(_declared(found, column))
    fields = [values.field.with_name(column.name) for values, column in zip(columns, declared, strict=True)]
    return RecordBatch.from_arrays(columns, schema=Schema(fields))


def _declared(values: Array, column: Column) -> Array:
    kind = values.type
    if column.type == "string":
        return values if _is(kind, DataType.is_string) else cast(values, DataType.string())
    if column.type == "timestamp":
        return values if _is(kind, DataType.is_timestamp) else cast(values, DataType.timestamp("us"))
    if column.type == "boolean":
        return values if _is(kind, DataType.is_boolean) else cast(values, DataType.bool())
    return values if _is(kind, DataType.is_numeric) else cast(values, DataType.decimal128(38, 10))


def _is(kind: DataType, test: Callable[[DataType], object]) -> bool:
    return bool(test(kind))
