"""The statements of stages 1 and 2 and of the analysis: what each gives, and its binds (domain.md, 5 to 7).

Their SQL stands in `sql/seeds`, `sql/lineage` and `sql/detection`, under these names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tracesvc.catalogue.document import Entry
from tracesvc.catalogue.model import Column, ColumnType, StageStatement, WorkcentreGroup
from tracesvc.catalogue.statement import StatementCheck, read_statement

PATTERNS: Final = tuple(f"pattern_{number}" for number in range(1, 11))
"""The binds of one statement over patterns; fewer patterns repeat the last one."""

_BY_NAME: Final = ("low", "high", "names")
_BY_PATTERN: Final = ("low", "high", *PATTERNS)
_IN_RANGE: Final = ("since", "until", "station")
_SEED: Final[Mapping[str, ColumnType]] = dict.fromkeys(
    ("MATCHED", "CONTAINERID", "CONTAINERNAME", "MFGORDERNAME", "OBJECTTYPE"), "string"
)
_FINISHED: Final[Mapping[str, ColumnType]] = dict.fromkeys(
    ("MATCHED", "CONTAINERID", "CONTAINERNAME", "LOTID", "LOTNAME"), "string"
)
_CONTAINER: Final[Mapping[str, ColumnType]] = dict.fromkeys(
    (
        "CONTAINERID",
        "CONTAINERNAME",
        "MFGORDERNAME",
        "FIRSTNAME",
        "OBJECTTYPE",
        "ORIGINALCONTAINERID",
        "SPLITFROMID",
    ),
    "string",
)
_MERGE: Final[Mapping[str, ColumnType]] = dict.fromkeys(("CONTAINERID", "LOTID", "FINISHEDNAME"), "string")
_LOT: Final[Mapping[str, ColumnType]] = {
    "CONTAINERID": "string",
    "CONTAINERNAME": "string",
    "EQUIPMENTID": "string",
    "EQUIPMENTNAME": "string",
    "WORKCENTERNAME": "string",
    "SPECNAME": "string",
    "TRACKINTIMESTAMP": "timestamp",
    "TRACKINQTY": "number",
    "PJ_TYPE": "string",
    "PRODUCTLINENAME": "string",
}
_REJECT: Final[Mapping[str, ColumnType]] = {
    "CONTAINERID": "string",
    "LOSSREASONNAME": "string",
    "QTY": "number",
}
_WORKFLOW: Final[Mapping[str, ColumnType]] = dict.fromkeys(("CONTAINERNAME", "WORKFLOWNAME"), "string")
_FAMILY: Final[Mapping[str, ColumnType]] = dict.fromkeys(
    ("EQUIPMENTID", "EQUIPMENTNAME", "RESOURCEFAMILYNAME"), "string"
)

STATEMENTS: Final[Mapping[str, tuple[Mapping[str, ColumnType], tuple[str, ...]]]] = {
    "seeds/container_name": (_SEED, _BY_NAME),
    "seeds/container_name_like": (_SEED, _BY_PATTERN),
    "seeds/first_name": (_SEED, ("names",)),
    "seeds/first_name_like": (_SEED, PATTERNS),
    "seeds/work_order": (_SEED, _BY_NAME),
    "seeds/work_order_like": (_SEED, _BY_PATTERN),
    "seeds/finished_name": (_FINISHED, _BY_NAME),
    "seeds/finished_name_like": (_FINISHED, _BY_PATTERN),
    "lineage/containers": (_CONTAINER, ("container_ids",)),
    "lineage/named": (_CONTAINER, _BY_NAME),
    "lineage/children": (_CONTAINER, ("container_ids", "names")),
    "lineage/all_containers": (_CONTAINER, ()),
    "lineage/merged_from": (_MERGE, ("container_ids",)),
    "lineage/merged_into": (_MERGE, ("container_ids",)),
    "lineage/all_merges": (_MERGE, ()),
    "detection/lots": (_LOT, _IN_RANGE),
    "detection/lots_of": (_LOT, ("container_ids", *_IN_RANGE)),
    "detection/rejects": (_REJECT, _IN_RANGE),
    "detection/rejects_of": (_REJECT, ("container_ids", *_IN_RANGE)),
    "detection/workflows": (_WORKFLOW, _BY_NAME),
    "detection/families": (_FAMILY, ()),
}
"""Name of a statement: the columns that it gives, in order, and the binds that it may take."""


def load_stages(
    folder: Path, place: Entry, schema: str, groups: Sequence[WorkcentreGroup], check: StatementCheck
) -> Mapping[str, StageStatement]:
    """The statements whose files stand in the folder, checked; a plant that needs none of them has none.

    Raises `CatalogueError` with file and line.
    """
    found: dict[str, StageStatement] = {}
    for name, (types, binds) in STATEMENTS.items():
        path = folder / f"{name}.sql"
        if path.exists():
            columns = tuple(Column(column, kind) for column, kind in types.items())
            sql = read_statement(path, place, schema, groups)
            check.check(sql, str(path), columns, binds)
            found[name] = StageStatement(name, columns, sql)
    return MappingProxyType(found)
