"""The rows behind the charts, sorted, a page at a time (domain.md, 7, Detail)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

import duckdb

from tracesvc.aggregation.bars import ALL
from tracesvc.aggregation.detail_columns import COLUMNS
from tracesvc.aggregation.numbers import percent, quantity
from tracesvc.aggregation.scope import Direction
from tracesvc.aggregation.statements import Row, rows, stream

Order = Literal["asc", "desc"]

_RATES: Final[Mapping[str, str]] = {
    "defect_rate": "if(input_qty = 0, 0, (defect_qty / input_qty)::DOUBLE)",
    "reject_rate": "if(input_qty = 0, 0, (reject_qty / input_qty)::DOUBLE)",
}


@dataclass(frozen=True, slots=True)
class DetailPage:
    """Rows [offset, offset + limit) in the order of one column, ties by lot name and loss reason."""

    offset: int = 0
    limit: int = ALL
    sort: str = "container_name"
    order: Order = "asc"


def count(con: duckdb.DuckDBPyConnection, direction: Direction, bound: Mapping[str, object]) -> int:
    """The number of detail rows of the cohort."""
    (found,) = rows(con, f"{direction}_detail_count", _reasons(direction, bound))
    return int(found["total"])


def pages(
    con: duckdb.DuckDBPyConnection,
    direction: Direction,
    bound: Mapping[str, object],
    ask: DetailPage,
    complete: Mapping[str, bool],
) -> Iterator[list[Row]]:
    """The rows of a page, some thousands at a time, each with `COLUMNS[direction]`."""
    assert ask.sort in COLUMNS[direction]
    assert ask.order in {"asc", "desc"}
    params = {**_reasons(direction, bound), "limit": ask.limit, "offset": ask.offset}
    sort = _RATES.get(ask.sort, f'"{ask.sort}"')
    whole = all(complete.values())
    for found in stream(con, f"{direction}_detail", params, sort=sort, order=ask.order):
        for row in found:
            row.update(_forward(row, whole=whole) if direction == "forward" else _backward(row))
        yield [{name: row[name] for name in COLUMNS[direction]} for row in found]


def _backward(row: Row) -> Row:
    return _shown(row) | {"defect_rate": percent(row["defect_qty"], row["input_qty"])}


def _forward(row: Row, *, whole: bool) -> Row:
    rates = {
        "defect_rate": percent(row["defect_qty"], row["input_qty"]),
        "reject_rate": percent(row["reject_qty"], row["input_qty"]),
    }
    unknown = {} if whole else dict.fromkeys(("station_count", "reject_qty", "reject_rate", "worst_station"))
    return _shown(row) | rates | unknown


def _shown(row: Row) -> Row:
    quantities = {name: quantity(value) for name, value in row.items() if isinstance(value, Decimal)}
    times = {name: value.isoformat() for name, value in row.items() if isinstance(value, datetime)}
    return quantities | times


def _reasons(direction: Direction, bound: Mapping[str, object]) -> dict[str, object]:
    return {"loss_reasons": bound["loss_reasons"]} if direction == "backward" else {}
