"""Who reaches whom, from a walk's edges: each seed by itself, so that no answer depends on other seeds."""

from __future__ import annotations

from typing import Final

from tracesvc.errors import ResultTooLarge
from tracesvc.lineage.walk import DEPTH_LIMIT
from tracesvc.params import Direction
from tracesvc.scratch import Scratch

# Pairs of a seed and a container that it reaches. 70,000 lots of a usual plant have 0.2 M; a plant whose
# data knots everything together must not fill the disk.
MOST_PAIRS: Final = 20_000_000

_NODES: Final = """
CREATE TABLE node AS
SELECT
    r.id, min(c.name) AS name, min(c.work_order) AS work_order, min(c.wafer) AS wafer,
    CASE
        WHEN count(c.id) = 0 THEN 'UNKNOWN'
        WHEN min(c.kind) = 'WAFER' THEN 'WAFER'
        WHEN min(c.name) LIKE 'GD%' OR min(c.work_order) LIKE 'GD%' THEN 'GD'
        WHEN left(coalesce(min(c.work_order), min(c.name)), 2) IN ('GA', 'GC')
            THEN left(coalesce(min(c.work_order), min(c.name)), 2)
        WHEN left(min(c.name), 2) IN ('GA', 'GC') THEN left(min(c.name), 2)
        WHEN r.id IN (SELECT from_id FROM edge WHERE kind = 'wafer_origin') THEN 'WAFER'
        ELSE 'LOT'
    END AS type
FROM (SELECT DISTINCT id FROM reach) AS r LEFT JOIN container AS c USING (id)
GROUP BY r.id;
CREATE TABLE link AS
SELECT from_id, to_id, kind FROM edge
WHERE from_id IN (SELECT id FROM node) AND to_id IN (SELECT id FROM node)
"""


async def close_over(scratch: Scratch, direction: Direction) -> tuple[int, bool]:
    """Make the tables `reach` (seed, id, level), `node` and `link`; gives the depth, and whether it was cut.

    A seed reaches itself, at level 0. Raises `ResultTooLarge` when the pairs are too many.
    """
    near, far = ("to_id", "from_id") if direction == "backward" else ("from_id", "to_id")
    await scratch.execute(f"""
        CREATE VIEW step AS SELECT DISTINCT {near} AS near, {far} AS far FROM edge;
        CREATE TABLE reach AS SELECT id AS seed, id, 0 AS level FROM visited WHERE level = 0
    """)  # noqa: S608 - our own names
    depth, cut = 0, False
    for level in range(1, DEPTH_LIMIT + 2):
        await scratch.execute(f"""
            CREATE OR REPLACE TABLE further AS
            SELECT DISTINCT r.seed, s.far AS id FROM reach AS r JOIN step AS s ON s.near = r.id
            WHERE r.level = {level - 1}
                AND NOT EXISTS (FROM reach AS known WHERE known.seed = r.seed AND known.id = s.far)
        """)  # noqa: S608 - our own number
        found = int(await scratch.value("SELECT count(*) FROM further"))
        if not found:
            break
        if level > DEPTH_LIMIT:
            cut = True
            break
        depth = level
        await scratch.execute("INSERT INTO reach SELECT seed, id, $level FROM further", level=level)
        if int(await scratch.value("SELECT count(*) FROM reach")) > MOST_PAIRS:
            raise ResultTooLarge(
                "The lineage of these containers is larger than can be answered. Ask for fewer containers."
            )
    await scratch.execute(_NODES)
    return depth, cut
