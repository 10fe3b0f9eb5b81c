"""Edges, level by level: what is known of the containers of one level gives the containers of the next.

Memory holds one level's ids at most; rows and edges stand in a temporary database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from arro3.core import Array, DataType, RecordBatch, Schema

from tracesvc.params import Direction
from tracesvc.scratch import Scratch
from tracesvc.statements import LIST_VALUES, Statements

DEPTH_LIMIT: Final = 20
# Full scans that one lineage may ask for before the whole table is read instead, once. A scan of 5.3 M rows
# that gives few of them is a third to a fifth of the price of reading them all.
SCANS_AT_MOST: Final = 8

_IS_REWORK: Final = "(coalesce(name, '') LIKE 'GD%' OR coalesce(work_order, '') LIKE 'GD%')"
_TABLES: Final = f"""
CREATE TABLE visited (id VARCHAR, level INTEGER);
CREATE TABLE frontier (id VARCHAR);
CREATE TABLE looked (name VARCHAR);
CREATE TABLE container (
    id VARCHAR, name VARCHAR, work_order VARCHAR, wafer VARCHAR, kind VARCHAR,
    original VARCHAR, split_from VARCHAR
);
CREATE TABLE merge (source VARCHAR, finished VARCHAR, serial VARCHAR);
CREATE TABLE edge (from_id VARCHAR, to_id VARCHAR, kind VARCHAR);
CREATE VIEW split_edge AS
    SELECT split_from AS from_id, id AS to_id, 'split_from' AS kind FROM container
    WHERE NOT ({_IS_REWORK} AND coalesce(original, split_from) = split_from);
CREATE VIEW rework_edge AS
    SELECT coalesce(original, split_from) AS from_id, id AS to_id, 'gd_rework_source' AS kind FROM container
    WHERE {_IS_REWORK};
CREATE VIEW merge_edge AS SELECT source AS from_id, finished AS to_id, 'merge_source' AS kind FROM merge;
CREATE VIEW wafer_edge AS
    SELECT w.id AS from_id, c.id AS to_id, 'wafer_origin' AS kind
    FROM container AS c JOIN container AS w ON w.name = c.wafer;
"""  # noqa: S608 - our own text
_EDGES: Final = ("split_edge", "rework_edge", "merge_edge", "wafer_edge")
# Rows of a container may come twice, by its id and by its name.
_KEEP_NEW: Final = """
INSERT INTO container SELECT * FROM arrived WHERE id IS NOT NULL AND id NOT IN (SELECT id FROM container)
    QUALIFY row_number() OVER (PARTITION BY id ORDER BY name) = 1
"""


class Walk:
    """A lineage's edges, in a temporary database of its own.

    After `run`, the tables `container`, `merge` and `edge` hold what is known of everything within
    `DEPTH_LIMIT` levels of a seed, and the edges that lead beyond.
    """

    def __init__(self, statements: Statements, scratch: Scratch, direction: Direction) -> None:
        self._statements = statements
        self._scratch = scratch
        self._backward = direction == "backward"
        self._scans = 0
        self._whole: set[str] = set()

    async def run(self, seeds: Sequence[str]) -> None:
        """Walk from the seeds until nothing new comes, or one level past the limit."""
        scratch = self._scratch
        await scratch.execute(_TABLES)
        await scratch.insert("frontier", [text_batch("id", seeds)])
        for level in range(DEPTH_LIMIT + 1):
            await scratch.execute("INSERT INTO visited SELECT id, $level FROM frontier", level=level)
            await self._fetch()
            await scratch.execute(self._advance)
            if not await scratch.value("SELECT count(*) FROM frontier"):
                return

    async def serials(self, leaves: str) -> None:
        """Have the serial numbers of the leaves, a query of ids, in `merge`."""
        known = "SELECT finished FROM merge WHERE finished IS NOT NULL"
        unknown = f"SELECT id FROM ({leaves}) WHERE id NOT IN ({known}) ORDER BY id"  # noqa: S608 - our own
        await self._merges_from(await self._scratch.texts(unknown))

    async def _fetch(self) -> None:
        """What is known of the frontier's containers, and of those on the other ends of its edges."""
        ids = await self._scratch.texts("SELECT id FROM frontier ORDER BY id")
        await self._containers()
        if self._backward:
            await self._merges_from(ids)
            await self._wafers()
        else:
            await self._merges_into(ids)
            await self._children(ids)

    async def _containers(self) -> None:
        if "container" not in self._whole:
            wanted = await self._scratch.texts(
                "SELECT id FROM frontier WHERE id NOT IN (SELECT id FROM container) ORDER BY id"
            )
            await self._arrive("lineage/containers", "container_ids", wanted)

    async def _wafers(self) -> None:
        """The containers that the frontier's lots name as their wafer lot."""
        new = """
            SELECT DISTINCT c.wafer AS name FROM container AS c JOIN frontier AS f USING (id)
            WHERE c.wafer <> coalesce(c.name, '') AND c.wafer NOT IN (SELECT name FROM looked)
        """
        names = await self._scratch.texts(f"{new} ORDER BY name")
        await self._scratch.execute(f"INSERT INTO looked {new}")
        await self._arrive("lineage/named", "names", names)

    async def _children(self, ids: Sequence[str]) -> None:
        """Whoever says to come from the frontier's containers."""
        if "container" in self._whole:
            return
        if self._too_many_scans(len(ids)):
            await self._statements.whole("lineage/all_containers", {}, self._scratch, "arriving_containers")
            await self._scratch.execute("""
                DELETE FROM container;
                INSERT INTO container FROM arriving_containers WHERE CONTAINERID IS NOT NULL;
                DROP TABLE arriving_containers
            """)
            self._whole.add("container")
            return
        named = dict(
            await self._scratch.fetch(
                "SELECT f.id, c.name FROM frontier AS f LEFT JOIN container AS c USING (id)"
            )
        )
        for start in range(0, len(ids), LIST_VALUES):
            part = ids[start : start + LIST_VALUES]
            names = sorted({name for container in part if (name := named.get(container)) is not None})
            await self._arrive("lineage/children", "container_ids", part, names=names or [part[0]])

    async def _merges_from(self, ids: Sequence[str]) -> None:
        """What went into these lots."""
        if "merge" in self._whole:
            return
        if self._too_many_scans(len(ids)):
            await self._statements.whole("lineage/all_merges", {}, self._scratch, "merge_rows")
            await self._scratch.execute(
                "DELETE FROM merge; INSERT INTO merge FROM merge_rows; DROP TABLE merge_rows"
            )
            self._whole.add("merge")
            return
        await self._merged("lineage/merged_from", ids)

    async def _merges_into(self, ids: Sequence[str]) -> None:
        """The lots that these went into."""
        if "merge" not in self._whole:
            await self._merged("lineage/merged_into", ids)

    async def _merged(self, statement: str, ids: Sequence[str]) -> None:
        async def take(batch: RecordBatch) -> None:
            await self._scratch.insert("merge", [batch])

        await self._statements.lists(statement, "container_ids", ids, {}, take)

    async def _arrive(self, statement: str, bind: str, values: Sequence[str], **params: object) -> None:
        """Rows of containers: those that are not known yet stay."""

        async def take(batch: RecordBatch) -> None:
            await self._scratch.insert("arrived", [batch])

        await self._scratch.execute("CREATE OR REPLACE TABLE arrived AS FROM container LIMIT 0")
        await self._statements.lists(statement, bind, values, params, take)
        await self._scratch.execute(_KEEP_NEW)

    def _too_many_scans(self, ids: int) -> bool:
        self._scans += -(-ids // LIST_VALUES)
        return self._scans > SCANS_AT_MOST

    @property
    def _advance(self) -> str:
        """Add the edges between the frontier and the next level, which becomes the frontier."""
        near, far = ("to_id", "from_id") if self._backward else ("from_id", "to_id")
        edges = (
            f"""INSERT INTO edge SELECT DISTINCT e.from_id, e.to_id, e.kind FROM {view} AS e
            WHERE e.{near} IN (SELECT id FROM frontier) AND e.from_id <> e.to_id;"""  # noqa: S608 - our own
            for view in _EDGES
        )
        following = f"""
            CREATE OR REPLACE TABLE next AS
            SELECT DISTINCT e.{far} AS id FROM edge AS e JOIN frontier AS f ON f.id = e.{near}
            WHERE e.{far} NOT IN (SELECT id FROM visited);
            DELETE FROM frontier;
            INSERT INTO frontier FROM next
        """  # noqa: S608 - our own names
        return "".join((*edges, following))


def text_batch(name: str, values: Sequence[str]) -> RecordBatch:
    """Texts as a batch of one column."""
    column = Array(list(values), type=DataType.string())
    return RecordBatch.from_arrays([column], schema=Schema([column.field.with_name(name)]))
