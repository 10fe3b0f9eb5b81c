"""What an analysis starts from: lots that passed a station, and their rejects there (domain.md, 5)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final, Self

import orjson
from arro3.core import RecordBatch

from tracesvc.catalogue import Column
from tracesvc.query import TraceQuery
from tracesvc.scratch import Scratch
from tracesvc.seeds import Seed
from tracesvc.statements import Statements

# Without dates all that a station has seen counts.
_EVER: Final = (date(1900, 1, 1), date(9000, 1, 1))
_WORKFLOWS: Final = (Column("CONTAINERNAME", "string"), Column("WORKFLOWNAME", "string"))
_LOTS: Final = "SELECT * FROM lot ORDER BY CONTAINERNAME NULLS LAST, CONTAINERID"
_REJECTS: Final = """
SELECT CONTAINERID, LOSSREASONNAME, QTY FROM reject
WHERE CONTAINERID IN (SELECT CONTAINERID FROM lot) ORDER BY CONTAINERID, LOSSREASONNAME
"""
_WORKFLOW: Final = """
SELECT l.CONTAINERID, coalesce(w.WORKFLOWNAME, l.SPECNAME) AS WORKFLOWNAME
FROM lot AS l LEFT JOIN workflow AS w USING (CONTAINERNAME) ORDER BY l.CONTAINERID
"""


@dataclass(frozen=True, slots=True)
class DetectionScope:
    """Which station, and from which moment up to which other (not included), on the plant's clock."""

    station: str
    since: datetime
    until: datetime

    @classmethod
    def of(cls, query: TraceQuery) -> Self:
        """The scope of an analysis: its days, both included, or all of them."""
        first, last = query.dates or _EVER
        midnight = time()
        until = datetime.combine(last + timedelta(days=1), midnight)
        return cls(query.params["station"], datetime.combine(first, midnight), until)

    @property
    def params(self) -> dict[str, object]:
        """As a statement's binds."""
        return {"station": self.station, "since": self.since, "until": self.until}


class Detection:
    """The detection rows of an analysis: read once, kept in a temporary database, given as often as asked."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch

    def lots(self) -> AsyncGenerator[RecordBatch]:
        """One row a lot, its latest session, sorted by name; the columns of `sql/detection/lots.sql`."""
        return self._scratch.batches(_LOTS)

    def rejects(self) -> AsyncGenerator[RecordBatch]:
        """CONTAINERID, LOSSREASONNAME, QTY: one row a lot and reason."""
        return self._scratch.batches(_REJECTS)

    def workflows(self) -> AsyncGenerator[RecordBatch]:
        """CONTAINERID, WORKFLOWNAME: one row a lot; its latest workflow, else its spec."""
        return self._scratch.batches(_WORKFLOW)

    def families(self) -> AsyncGenerator[RecordBatch]:
        """EQUIPMENTID, EQUIPMENTNAME, RESOURCEFAMILYNAME: one row a machine."""
        return self._scratch.batches("SELECT * FROM family")

    async def container_ids(self) -> list[str]:
        """The lots' ids, in the order of their names."""
        return await self._scratch.texts(f"SELECT CONTAINERID FROM ({_LOTS})")  # noqa: S608 - our own query

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The lots as the answer of stage 1, one JSON object in parts."""
        count = await self._scratch.value("SELECT count(*) FROM lot")
        yield b'{"stage":"seed-resolve","seed_count":%d,"not_found":[],"expansion":{},"seeds":[' % count
        comma = b""
        async with contextlib.aclosing(self._scratch.batches(_LOTS)) as batches:
            async for batch in batches:
                ids, names = (batch.column(name).to_pylist() for name in ("CONTAINERID", "CONTAINERNAME"))
                seeds: list[dict[str, Any]] = [
                    Seed(str(container), name).to_dict() for container, name in zip(ids, names, strict=True)
                ]
                yield comma + orjson.dumps(seeds)[1:-1]
                comma = b","
        yield b"]}"


@contextlib.asynccontextmanager
async def read_detection(
    statements: Statements,
    scope: DetectionScope,
    memory_mib: int,
    container_ids: Sequence[str] | None = None,
    *,
    whole: bool = True,
) -> AsyncGenerator[Detection]:
    """The detection rows of a scope, of all lots or of these containers; good until the block is left.

    With `whole` false only the lots are read: what stage 1 gives by itself.
    """
    async with Scratch(memory_mib) as scratch:
        await _read(statements, scratch, "lots", "lot", scope, container_ids)
        if whole:
            await _read(statements, scratch, "rejects", "reject", scope, container_ids)
            await _read_workflows(statements, scratch)
            await statements.whole("detection/families", {}, scratch, "family")
        yield Detection(scratch)


async def _read(
    statements: Statements,
    scratch: Scratch,
    name: str,
    table: str,
    scope: DetectionScope,
    container_ids: Sequence[str] | None,
) -> None:
    """One statement over the whole range, or one for each thousand containers."""
    if container_ids is None:
        await statements.whole(f"detection/{name}", scope.params, scratch, table)
        return
    statement = f"detection/{name}_of"

    async def take(batch: RecordBatch) -> None:
        await scratch.insert(table, [batch])

    await scratch.create(table, statements.catalogue.stage(statement).columns)
    await statements.lists(statement, "container_ids", container_ids, scope.params, take)


async def _read_workflows(statements: Statements, scratch: Scratch) -> None:
    async def take(batch: RecordBatch) -> None:
        await scratch.insert("workflow", [batch])

    await scratch.create("workflow", _WORKFLOWS)
    names = await scratch.texts(
        "SELECT DISTINCT CONTAINERNAME AS name FROM lot WHERE CONTAINERNAME IS NOT NULL ORDER BY name"
    )
    await statements.lists("detection/workflows", "names", names, {}, take)
