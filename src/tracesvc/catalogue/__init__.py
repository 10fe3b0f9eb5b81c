"""The catalogue: what is particular to a plant, as data (domain.md, 2 to 4).

Reading order: `model` (the values), `loader` (from files), `document` (YAML with lines), `statement` and
`stages` (SQL files), `dialect` and `rewrites` (from Oracle's SQL to DuckDB's).
"""

from tracesvc.catalogue.loader import load_catalogue
from tracesvc.catalogue.model import (
    Catalogue,
    Column,
    ColumnType,
    Domain,
    Profile,
    StageStatement,
    Table,
    WorkcentreGroup,
)

__all__ = [
    "Catalogue",
    "Column",
    "ColumnType",
    "Domain",
    "Profile",
    "StageStatement",
    "Table",
    "WorkcentreGroup",
    "load_catalogue",
]
