"""Records as tables: Arrow always, polars and pandas where they are installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from arro3.core import RecordBatch, Table

from tracesvc.files.tables import FileColumn, arrow_schema, record_batch
from tracesvc.lines import ColumnInfo

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class TableBuilder:
    """Batches of one domain, one a line."""

    def __init__(self) -> None:
        self._batches: list[RecordBatch] = []

    def add(self, line: bytes, columns: Sequence[ColumnInfo]) -> None:
        """One `records` line."""
        self._batches.append(record_batch(line, arrow_schema(FileColumn.of(columns))))

    def table(self, columns: Sequence[ColumnInfo]) -> Table:
        """All of them; without any, an empty table of the same columns."""
        return Table.from_batches(self._batches, schema=arrow_schema(FileColumn.of(columns)))


def to_polars(table: Table) -> pl.DataFrame:
    """The table without a copy."""
    import polars as pl  # noqa: PLC0415 - only who asks for it needs it

    return pl.DataFrame(table)


def to_pandas(table: Table) -> pd.DataFrame:
    """The table in pandas' own types, by pyarrow."""
    import pyarrow as pa  # noqa: PLC0415 - only who asks for it needs it

    frame: pd.DataFrame = pa.table(table).to_pandas()
    return frame
