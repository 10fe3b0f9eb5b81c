"""What an analysis takes in: record batches of declared columns, and committed lines of records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import orjson
from arro3.core import Array, DataType, Field, RecordBatch, Schema, Table

from tracesvc.files.tables import record_batch
from tracesvc.line_bytes import DATA_KEY, rows_of

Piece = RecordBatch | Table | bytes

_NUMBER: Final = DataType.decimal128(38, 10)
_TEXT: Final = DataType.string()

RECORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "upstream_history": (
        "CONTAINERID", "WORKCENTERNAME", "WORKCENTER_GROUP", "EQUIPMENTID", "EQUIPMENTNAME", "TRACKINQTY",
    ),
    "materials": ("CONTAINERID", "MATERIALPARTNAME", "MATERIALLOTNAME"),
    "downstream_rejects": (
        "CONTAINERID", "WORKCENTERNAME", "WORKCENTER_GROUP", "LOSSREASONNAME", "EQUIPMENTNAME",
        "REJECT_TOTAL_QTY",
    ),
}  # fmt: skip
"""The columns that the analysis needs of each domain, in the order of its table."""

INPUTS: Final[Mapping[str, tuple[str, ...]]] = {
    "lots": (
        "CONTAINERID", "CONTAINERNAME", "EQUIPMENTID", "EQUIPMENTNAME", "WORKCENTERNAME", "SPECNAME",
        "TRACKINTIMESTAMP", "TRACKINQTY", "PJ_TYPE", "PRODUCTLINENAME",
    ),
    "rejects": ("CONTAINERID", "LOSSREASONNAME", "QTY"),
    "workflows": ("CONTAINERID", "WORKFLOWNAME"),
    "families": ("EQUIPMENTID", "EQUIPMENTNAME", "RESOURCEFAMILYNAME"),
    "members": ("SEED_ID", "CONTAINER_ID"),
    "roots": ("SEED_ID", "ROOT_NAME"),
}  # fmt: skip
"""The columns of everything else: the detection rows, and the lineage."""

_NUMBERS: Final = {"TRACKINQTY", "REJECT_TOTAL_QTY", "QTY"}
_TIMES: Final = {"TRACKINTIMESTAMP"}


def select_list(names: Iterable[str]) -> str:
    """The columns as SQL: text trimmed, quantities as decimals, 0 where there is none."""
    return ", ".join(map(_column, names))


def _column(name: str) -> str:
    if name in _NUMBERS:
        return f'coalesce(TRY_CAST("{name}" AS DECIMAL(28, 10)), 0)'
    if name in _TIMES:
        return f'TRY_CAST("{name}" AS TIMESTAMP)'
    return f"""nullif(trim("{name}"::VARCHAR), '')"""


def record_table(domain: str, piece: Piece) -> Table:
    """A batch as a table, or the needed columns of a `records` line or of its JSON array of rows."""
    if isinstance(piece, Table):
        return piece
    if isinstance(piece, RecordBatch):
        return Table.from_batches([piece])
    array = piece if piece.startswith(b"[") else rows_of(piece)
    names = RECORDS[domain]
    if len(array) <= len(b"[]"):
        return Table.from_pydict({name: Array([], type=_TEXT) for name in names})
    try:
        return _parsed(piece if array is not piece else b"{" + DATA_KEY + array + b"}", names)
    except Exception:  # noqa: BLE001 - the parser has no error of its own: a quantity that is none
        return _read(array, names)


def _parsed(line: bytes, names: Iterable[str]) -> Table:
    fields = [Field(name, _NUMBER if name in _NUMBERS else _TEXT, nullable=True) for name in names]
    return Table.from_batches([record_batch(line, Schema(fields))])


def _read(array: bytes, names: Iterable[str]) -> Table:
    """The same, value by value as text; the database says which quantities are numbers."""
    rows = orjson.loads(array)
    return Table.from_pydict({name: Array(_texts(rows, name), type=_TEXT) for name in names})


def _texts(rows: list[dict[str, object]], name: str) -> list[str | None]:
    return [None if (value := row.get(name)) is None else str(value) for row in rows]
