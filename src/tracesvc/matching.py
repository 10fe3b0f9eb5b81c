"""Rows that name their containers in a comma list: matched to container ids by whole ids (domain.md, 2)."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from arro3.core import Array, DataType, RecordBatch, RecordBatchReader, Table

from tracesvc.catalogue import Domain
from tracesvc.scratch import Connection, Scratch

MEMORY_MIB: Final = 128
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

    Matched rows wait for their order in a temporary database, under a memory limit, so that what is held
    does not grow with the number of matches.
    """
    async with Scratch(MEMORY_MIB, keeps_order=True) as scratch:
        matcher = _Matcher(spec)
        await scratch.run(functools.partial(matcher.want, container_ids))
        async with contextlib.aclosing(batches):
            async for batch in batches:
                await scratch.run(functools.partial(matcher.take, batch))
        count = await scratch.run(matcher.order)
        for start in range(0, count, batch_size):
            yield await scratch.run(functools.partial(matcher.window, start, start + batch_size))


class _Matcher:
    """Work on the temporary database's connection; each piece takes it last."""

    def __init__(self, spec: Domain) -> None:
        self._spec = spec
        self._empty = True

    def want(self, container_ids: Sequence[str], con: Connection) -> None:
        ids = Table.from_pydict({"id": Array(list(container_ids), type=DataType.string())})
        con.register("ids", ids)
        con.execute("CREATE TABLE wanted AS SELECT DISTINCT id FROM ids")
        con.unregister("ids")

    def take(self, batch: RecordBatch, con: Connection) -> None:
        con.register("batch", Table.from_batches([batch]))
        container = self._spec.columns[-1].name
        verb = "CREATE TABLE matched AS" if self._empty else "INSERT INTO matched"
        pairs = _PAIRS.format(container=container, list=self._spec.list_column)
        sql = f"{verb} SELECT * EXCLUDE (row_id) FROM ({pairs})"  # noqa: S608 - the catalogue's names
        con.execute(sql)
        con.unregister("batch")
        self._empty = False

    def order(self, con: Connection) -> int:
        """Put the matched rows in order, on disk; their number."""
        if self._empty:
            return 0
        first = ("CONTAINERID", "CREATEDATE")
        names = [*first, *(column.name for column in self._spec.columns if column.name not in first)]
        order = ", ".join(f'"{name}" ASC NULLS LAST' for name in names)
        con.execute(f"CREATE TABLE ordered AS SELECT * FROM matched ORDER BY {order}")  # noqa: S608 - names
        con.execute("DROP TABLE matched")
        (count,) = con.execute("SELECT count(*) FROM ordered").fetchall()[0]
        return int(count)

    def window(self, start: int, stop: int, con: Connection) -> RecordBatch:
        """Ordered rows [start, stop): a stream of them all would come in batches of 131,072."""
        sql = "SELECT * FROM ordered WHERE rowid >= $start AND rowid < $stop ORDER BY rowid"
        relation = con.sql(sql, params={"start": start, "stop": stop})
        batches = list(RecordBatchReader.from_stream(relation))
        return Table.from_batches(batches).combine_chunks().to_batches()[0]
