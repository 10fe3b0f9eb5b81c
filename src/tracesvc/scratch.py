"""A temporary database for what a stage must hold at once: bounded memory, the rest on disk."""

from __future__ import annotations

import asyncio
import functools
import logging
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import duckdb
from arro3.core import RecordBatch, RecordBatchReader, Table

from tracesvc.catalogue import Column, ColumnType
from tracesvc.errors import SourceUnavailable

logger = logging.getLogger(__name__)

Connection = duckdb.DuckDBPyConnection
T = TypeVar("T")

INTERRUPT_PAUSE_SECONDS: Final = 0.01
READ_ROWS: Final = 2000
_TYPES: Final[Mapping[ColumnType, str]] = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "number": "DECIMAL(38, 10)",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
}


class Scratch:
    """A DuckDB engine, worked on in threads, one piece of work at a time; gone when it is left.

    Everything raises `SourceUnavailable` when disk or memory ran out. A cancelled caller breaks its work off,
    and waits until it has let go.
    """

    def __init__(self, memory_mib: int, *, keeps_order: bool = False) -> None:
        """`keeps_order`: rows of a table stay as they were put in, at some cost of speed and memory."""
        self._folder = Path(tempfile.mkdtemp(prefix="tracesvc-"))
        self._con = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": f"{memory_mib}MiB",
                "threads": 2,
                "preserve_insertion_order": keeps_order,
                "temp_directory": str(self._folder),
            },
        )
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Delete it all. May be called again."""
        await asyncio.shield(asyncio.to_thread(self._remove))

    def _remove(self) -> None:
        self._con.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def run(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Do `work` on the connection, when it is its turn."""
        async with self._turn:
            return await self._in_thread(functools.partial(work, self._con), self._con)

    async def execute(self, sql: str, **params: object) -> None:
        """Run statements that give nothing."""
        await self.run(lambda con: con.execute(sql, params or None))

    async def value(self, sql: str, **params: object) -> Any:  # noqa: ANN401 - whatever the statement gives
        """The first value of the first row, or None."""
        row = await self.run(lambda con: con.execute(sql, params or None).fetchone())
        return None if row is None else row[0]

    async def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows, held at once."""
        return await self.run(lambda con: con.execute(sql).fetchall())

    async def texts(self, sql: str) -> list[Any]:
        """The first column of all rows, held at once."""
        return [row[0] for row in await self.fetch(sql)]

    async def create(self, table: str, columns: Sequence[Column]) -> None:
        """Make an empty table of these columns; one of that name goes."""
        fields = ", ".join(f'"{column.name}" {_TYPES[column.type]}' for column in columns)
        await self.execute(f"CREATE OR REPLACE TABLE {table} ({fields})")

    async def insert(self, table: str, batches: Sequence[RecordBatch]) -> None:
        """Put rows into a table, columns by position."""
        filled = [batch for batch in batches if batch.num_rows]
        if filled:
            await self.run(functools.partial(_insert, table, filled))

    async def batches(self, sql: str, rows: int = READ_ROWS) -> AsyncGenerator[RecordBatch]:
        """What a query gives, at most `rows` at a time; other work may go on meanwhile."""
        cursor = await self.run(lambda con: con.cursor())
        try:
            reader = await self._in_thread(lambda: RecordBatchReader.from_stream(cursor.sql(sql)), cursor)
            while (batch := await self._in_thread(functools.partial(_next, reader), cursor)) is not None:
                for start in range(0, batch.num_rows, rows):
                    yield batch.slice(start, min(rows, batch.num_rows - start))
        finally:
            await asyncio.shield(asyncio.to_thread(cursor.close))

    async def rows(self, sql: str) -> AsyncGenerator[tuple[Any, ...]]:
        """The same, row by row."""
        async for batch in self.batches(sql):
            for row in _rows(batch):
                yield row

    async def _in_thread(self, work: Callable[[], T], con: duckdb.DuckDBPyConnection) -> T:
        done = asyncio.get_running_loop().run_in_executor(None, work)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            while not done.done():
                con.interrupt()
                await asyncio.wait({done}, timeout=INTERRUPT_PAUSE_SECONDS)
            if not done.cancelled():
                done.exception()
            raise
        except (duckdb.Error, OSError) as error:
            logger.exception("work in a temporary database failed")
            raise SourceUnavailable("Disk or memory for a temporary database ran out.") from error


def _insert(table: str, batches: list[RecordBatch], con: duckdb.DuckDBPyConnection) -> None:
    for batch in batches:  # one by one: their number types may differ
        con.register("arriving", Table.from_batches([batch]))
        con.execute(f"INSERT INTO {table} SELECT * FROM arriving")  # noqa: S608 - our own name
        con.unregister("arriving")


def _next(reader: RecordBatchReader) -> RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None


def _rows(batch: RecordBatch) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)
