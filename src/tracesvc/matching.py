"""Rows that name their containers in a comma list: matched to container ids by whole ids (domain.md, 2)."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import duckdb
from arro3.core import Array, DataType, RecordBatch, RecordBatchReader, Table

from tracesvc.catalogue import Domain
from tracesvc.errors import SourceUnavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

INTERRUPT_PAUSE_SECONDS: Final = 0.01
MEMORY_LIMIT: Final = "128MB"
_PAIRS: Final = """
    SELECT DISTINCT b.* EXCLUDE (part), w.id AS "{container}"
    FROM (
        SELECT *, row_number() OVER () AS row_id, unnest(string_split("{list}", ',')) AS part FROM batch
    ) AS b
    JOIN wanted AS w ON w.id = trim(b.part)
"""


async def match_lists(
    batches: AsyncGenerator[RecordBatch, None], spec: Domain, container_ids: Sequence[str], batch_size: int
) -> AsyncGenerator[RecordBatch, None]:
    """One row per input row and matched container, in the domain's order.

    Matched rows wait for their order in a temporary DuckDB file, under a memory limit, so that what is held
    does not grow with the number of matches.
    """
    with tempfile.TemporaryDirectory(prefix="tracesvc-") as folder:
        matcher = _Matcher(Path(folder), spec)
        try:
            await matcher.run(lambda: matcher.want(container_ids))
            async with contextlib.aclosing(batches):
                async for batch in batches:
                    await matcher.run(functools.partial(matcher.take, batch))
            count = await matcher.run(matcher.order)
            for start in range(0, count, batch_size):
                yield await matcher.run(functools.partial(matcher.window, start, start + batch_size))
        finally:
            await asyncio.to_thread(matcher.close)


class _Matcher:
    def __init__(self, folder: Path, spec: Domain) -> None:
        self._con = duckdb.connect(
            str(folder / "matches.duckdb"), config={"memory_limit": MEMORY_LIMIT, "threads": 1}
        )
        self._spec = spec
        self._empty = True

    async def run(self, work: Callable[[], T]) -> T:
        """Do `work` in a thread. A cancelled caller breaks it off, and waits until it has let go.

        Raises `SourceUnavailable` when disk or memory ran out.
        """
        done = asyncio.get_running_loop().run_in_executor(None, work)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            while not done.done():
                self._con.interrupt()
                await asyncio.wait({done}, timeout=INTERRUPT_PAUSE_SECONDS)
            done.exception()
            raise
        except (duckdb.Error, OSError) as error:
            logger.exception("matching comma lists failed")
            raise SourceUnavailable("Comma lists could not be matched: disk or memory ran out.") from error

    def want(self, container_ids: Sequence[str]) -> None:
        ids = Table.from_pydict({"id": Array(list(container_ids), type=DataType.string())})
        self._con.register("ids", ids)
        self._con.execute("CREATE TABLE wanted AS SELECT DISTINCT id FROM ids")
        self._con.unregister("ids")

    def take(self, batch: RecordBatch) -> None:
        self._con.register("batch", Table.from_batches([batch]))
        container = self._spec.columns[-1].name
        verb = "CREATE TABLE matched AS" if self._empty else "INSERT INTO matched"
        pairs = _PAIRS.format(container=container, list=self._spec.list_column)
        sql = f"{verb} SELECT * EXCLUDE (row_id) FROM ({pairs})"  # noqa: S608 - the catalogue's names
        self._con.execute(sql)
        self._con.unregister("batch")
        self._empty = False

    def order(self) -> int:
        """Put the matched rows in order, on disk; their number."""
        if self._empty:
            return 0
        first = ("CONTAINERID", "CREATEDATE")
        names = [*first, *(column.name for column in self._spec.columns if column.name not in first)]
        order = ", ".join(f'"{name}" ASC NULLS LAST' for name in names)
        self._con.execute(f"CREATE TABLE ordered AS SELECT * FROM matched ORDER BY {order}")  # noqa: S608 - names
        self._con.execute("DROP TABLE matched")
        (count,) = self._con.execute("SELECT count(*) FROM ordered").fetchall()[0]
        return int(count)

    def window(self, start: int, stop: int) -> RecordBatch:
        """Ordered rows [start, stop): a stream of them all would come in batches of 131,072."""
        sql = "SELECT * FROM ordered WHERE rowid >= $start AND rowid < $stop ORDER BY rowid"
        relation = self._con.sql(sql, params={"start": start, "stop": stop})
        batches = list(RecordBatchReader.from_stream(relation))
        return Table.from_batches(batches).combine_chunks().to_batches()[0]

    def close(self) -> None:
        self._con.close()
