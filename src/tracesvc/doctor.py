"""`tracesvc doctor`: is everything there that a trace needs, and what to do about what is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tracesvc.catalogue import Catalogue, Column, Table
from tracesvc.catalogue.filters import wanted_indexes
from tracesvc.catalogue.stages import PATTERNS
from tracesvc.connect import connect_redis, connect_results, open_keys, queue_limits
from tracesvc.errors import TraceError
from tracesvc.files.tables import OWN_READER
from tracesvc.queue import JobQueue
from tracesvc.redis_clients import each_node
from tracesvc.results.eviction import eviction_warning
from tracesvc.settings import Settings
from tracesvc.sources import Source, open_source

State = Literal["ok", "warning", "failed"]

PATIENCE_SECONDS: Final = 30.0
"""For one answer of the source."""
WHOLE_PATIENCE_SECONDS: Final = 120.0
"""For all statements together: one that hangs must not keep a person for the time of thirty."""
_FITTING: Final[Mapping[str, tuple[str, ...]]] = {
    "string": ("CHAR", "VARCHAR2", "NCHAR", "NVARCHAR2"),
    "number": ("NUMBER", "FLOAT", "INTEGER"),
    "integer": ("NUMBER", "FLOAT", "INTEGER"),
    "timestamp": ("DATE", "TIMESTAMP"),
    "boolean": ("BOOLEAN",),
}
_COLUMNS: Final = (
    "SELECT c.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE FROM ALL_TAB_COLUMNS c WHERE c.OWNER = :owner"
    " AND c.TABLE_NAME IN (:tables) ORDER BY 1, 2"
)
_INDEXES: Final = (
    "SELECT i.TABLE_NAME, i.COLUMN_NAME FROM ALL_IND_COLUMNS i WHERE i.TABLE_OWNER = :owner"
    " AND i.COLUMN_POSITION = 1 AND i.TABLE_NAME IN (:tables) ORDER BY 1, 2"
)
_LONG_AGO: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - the plant's times have no zone
NOBODY: Final = "0000000000000000"
"""An id that no plant has: statements run with it, and give no row."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do when it is not well."""

    check: str
    state: State
    found: str
    do: str = ""

    def document(self) -> dict[str, str]:
        """As JSON has it."""
        return asdict(self)


async def examine(settings: Settings, catalogue: Catalogue) -> AsyncIterator[Finding]:
    """Look at everything, one finding after the other; a failure ends only what depends on it."""
    yield _lines()
    async for finding in _redis(settings):
        yield finding
    try:
        source = open_source(settings, catalogue)
    except TraceError as error:
        yield Finding("source", "failed", error.detail, "set TRACE_SOURCE_URL, and DB_* for oracle://")
        return
    try:
        async for finding in _source(source, settings, catalogue):
            yield finding
    finally:
        await source.close()


def _lines() -> Finding:
    if OWN_READER is not None:
        return Finding("lines", "ok", "read by the compiled module")
    slow = "read without the compiled module: exports and analyses take longer, Parquet nearly twice the time"
    return Finding("lines", "warning", slow, "install a C compiler, then tracesvc again")


async def _redis(settings: Settings) -> AsyncIterator[Finding]:
    try:
        redis = connect_redis(settings)
        results = connect_results(settings, redis)
    except TraceError as error:
        yield Finding("redis", "warning", error.detail, "without Redis no jobs run: set TRACE_REDIS_URL")
        return
    try:
        async for finding in _one_redis("redis", redis, "TRACE_REDIS_URL"):
            yield finding
            if finding.state == "failed":
                return
        if results is not redis:
            async for finding in _one_redis("results", results, "TRACE_RESULTS_REDIS_URL"):
                yield finding
        queue = JobQueue(redis, results, open_keys(settings), queue_limits(settings))
        workers = await queue.workers()
        if workers:
            yield Finding("workers", "ok", f"{len(workers)} serve the queue {settings.trace_worker_queue}")
        elif settings.trace_worker_enabled:
            yield Finding("workers", "warning", "none serves the queue", "start one: `tracesvc worker`")
    finally:
        for store in {redis, results}:
            await store.aclose()


async def _one_redis(check: str, redis: Redis, setting: str) -> AsyncIterator[Finding]:
    try:
        began = time.perf_counter()
        await redis.ping()
        latency = 1000 * (time.perf_counter() - began)
        infos = [await redis.info("server", **at) for _, at in await each_node(redis)]
        versions = sorted({str(one.get("valkey_version") or one.get("redis_version", "?")) for one in infos})
        yield Finding(check, "ok", f"version {', '.join(versions)}, answers in {latency:.1f} ms")
        if warning := await eviction_warning(redis):
            yield Finding(f"{check}, eviction", "warning", warning, "set maxmemory-policy to noeviction")
    except (RedisError, OSError) as error:
        told = f"no answer ({type(error).__name__})"
        yield Finding(check, "failed", told, f"look at Redis, the network and {setting}")


async def _source(source: Source, settings: Settings, catalogue: Catalogue) -> AsyncIterator[Finding]:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await source.ping()
    except TimeoutError:
        yield Finding("source", "failed", f"no answer within {PATIENCE_SECONDS:g} s", "look at the network")
        return
    except TraceError as error:
        yield Finding("source", "failed", error.detail, "until this is mended, every trace fails")
        return
    answered = f"answers in {1000 * (time.perf_counter() - began):.0f} ms"
    if settings.trace_source_url.startswith("oracle:"):
        told = f"Oracle {await _version(source)}, user {settings.db_user}, {answered}"
        yield Finding("source", "ok", told)
        async for finding in _dictionary(source, catalogue):
            yield finding
    else:
        yield Finding("source", "ok", f"a plant's files, {answered}")
    values = _values(catalogue)
    until = time.monotonic() + WHOLE_PATIENCE_SECONDS
    for check, sql in _statements(catalogue):
        yield await _runs(source, check, sql, values, until)


async def _version(source: Source) -> str:
    version = getattr(source, "version", None)
    return str(await version()) if version is not None else "?"


async def _dictionary(source: Source, catalogue: Catalogue) -> AsyncIterator[Finding]:
    """Tables, columns and indexes, as the database's own dictionary has them."""
    params = {"owner": catalogue.schema, "tables": sorted(catalogue.tables)}
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            columns = {(str(at[0]), str(at[1])): str(at[2]) for at in await _rows(source, _COLUMNS, params)}
            indexed = {(str(at[0]), str(at[1])) for at in await _rows(source, _INDEXES, params)}
    except TimeoutError:
        told = f"no answer within {PATIENCE_SECONDS:g} s"
        yield Finding("dictionary", "warning", told, "tables and indexes could not be looked up")
        return
    except TraceError as error:
        yield Finding("dictionary", "warning", error.detail, "tables and indexes could not be looked up")
        return
    for table in catalogue.tables.values():
        yield _table(table, columns, catalogue.schema)
    there = {name for name, _ in columns}
    for name, missing in _unserved(catalogue, indexed).items():
        if name in there:
            told = "; ".join(
                f"none begins with {' or '.join(sorted(wanted))}, as {', '.join(statements)} would like"
                for wanted, statements in missing.items()
            )
            do = f"CREATE INDEX … ON {name} (…): without it each such statement reads the whole table"
            yield Finding(f"index {name}", "warning", told, do)


def _table(table: Table, columns: Mapping[tuple[str, str], str], schema: str) -> Finding:
    if not any(name == table.name for name, _ in columns):
        do = f"GRANT SELECT ON {schema}.{table.name}, or correct the catalogue (TRACE_CATALOGUE)"
        return Finding(f"table {table.name}", "failed", "is not there, or may not be read", do)
    faults = [told for column in table.columns if (told := _misfit(table, column, columns))]
    if faults:
        do = "correct the catalogue (TRACE_CATALOGUE), or the table"
        return Finding(f"table {table.name}", "failed", "; ".join(faults), do)
    return Finding(f"table {table.name}", "ok", f"{len(table.columns)} columns")


def _misfit(table: Table, column: Column, columns: Mapping[tuple[str, str], str]) -> str:
    kind = columns.get((table.name, column.name))
    if kind is None:
        return f"column {column.name} is missing"
    fits = kind.split("(")[0] in _FITTING[column.type]
    return "" if fits else f"column {column.name} is {kind} where the catalogue has {column.type}"


def _unserved(
    catalogue: Catalogue, indexed: Collection[tuple[str, str]]
) -> dict[str, dict[frozenset[str], list[str]]]:
    """By table: columns of which no index begins with any, and the statements that narrow it by them."""
    found: dict[str, dict[frozenset[str], list[str]]] = {}
    for check, sql in _statements(catalogue):
        for table, wanted in wanted_indexes(sql):
            if not any((table, column) in indexed for column in wanted):
                statements = found.setdefault(table, {}).setdefault(wanted, [])
                statements.append(check.partition(" ")[2])
    return {table: found[table] for table in sorted(found)}


def _statements(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Everything that a trace may ask of the plant: what it is called, and its SQL."""
    for name, domain in catalogue.domains.items():
        yield f"domain {name}", domain.sql
    for name, stage in catalogue.stages.items():
        yield f"statement {name}", stage.sql


def _values(catalogue: Catalogue) -> dict[str, object]:
    """A value for every bind there is, nobody in a time long ago; a source takes what a statement needs."""
    return {
        "container_ids": [NOBODY],
        "names": [NOBODY],
        "low": NOBODY,
        "high": NOBODY,
        **dict.fromkeys(PATTERNS, NOBODY),
        "since": _LONG_AGO,
        "until": _LONG_AGO + timedelta(days=1),
        "as_of": _LONG_AGO,
        "station": catalogue.groups[0].name if catalogue.groups else "",
    }


async def _runs(source: Source, check: str, sql: str, values: Mapping[str, object], until: float) -> Finding:
    """Whether a statement runs as far as its first row; none is begun after `until` (`time.monotonic`)."""
    left = min(until - time.monotonic(), PATIENCE_SECONDS)
    if left <= 0:
        told = f"not tried: the statements before it took all of {WHOLE_PATIENCE_SECONDS:g} s"
        return Finding(check, "warning", told, "look at the database's load, and ask again")
    try:
        async with asyncio.timeout(left):
            await _rows(source, sql, values, most=1)
    except TimeoutError:
        told = f"no row within {left:.0f} s"
        return Finding(check, "warning", told, "look at the indexes above and the database's load")
    except TraceError as error:
        file = check.partition(" ")[2]
        return Finding(check, "failed", error.detail, f"look at sql/{file}.sql and the tables above")
    return Finding(check, "ok", "it runs")


async def _rows(
    source: Source, sql: str, params: Mapping[str, object], *, most: int | None = None
) -> Sequence[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    stream = source.iter_rows(sql, params, most or 1000)
    try:
        async for _, rows in stream:
            found += rows
            if most is not None and len(found) >= most:
                break
    finally:
        await stream.aclose()
    return found
