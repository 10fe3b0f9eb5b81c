"""A chart: its bars from rows of (name, key fields, lots, input, defects), with rates and running shares."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import duckdb

from tracesvc.aggregation.numbers import SHARE_DIGITS, percent, quantity
from tracesvc.aggregation.statements import Row, rows

Bar = dict[str, Any]

TOP: Final = 10
REST: Final = "其他"
ALL: Final = 2**31
_MEASURES: Final = {"name", "bar", "lot_count", "input", "defects", "bar_count", "rest_count"}


def chart(
    con: duckdb.DuckDBPyConnection,
    dimension: str,
    *,
    downstream: bool = False,
    most: int = TOP,
    found: Sequence[Row] | None = None,
) -> list[Bar]:
    """The `most` largest bars of a dimension, and the rest of them as one.

    Dimensions are tables that the file was sealed with; a `downstream` one counts records by container.
    `found`: all bars of the dimension, when they are known already.
    """
    prefix = "downstream_" if downstream else ""
    if found is None:
        found = rows(con, f"{prefix}bars", {"most": most}, dimension=dimension)
    shown = list(found[:most])
    if shown and shown[0]["bar_count"] > len(shown):
        (rest,) = rows(con, f"{prefix}rest", {"shown": [row["bar"] for row in shown]}, dimension=dimension)
        count = shown[0]["bar_count"] - len(shown)
        shown.append({**dict.fromkeys(_keys(shown[0])), "name": REST, **rest, "rest_count": count})
    return to_bars(shown)


def to_bars(found: Sequence[Row], *, input_qty: Decimal | None = None) -> list[Bar]:
    """Rows, largest first, as bars; `input_qty`: what all of them are measured against."""
    listed = sum((row["defects"] for row in found), Decimal(0))
    bars, running = [], Decimal(0)
    for row in found:
        whole = row["input"] if input_qty is None else input_qty
        running += row["defects"]
        bar: Bar = {
            "name": row["name"],
            **_keys(row),
            "input_qty": quantity(whole),
            "defect_qty": quantity(row["defects"]),
            "defect_rate": percent(row["defects"], whole),
            "lot_count": row["lot_count"],
            "cumulative_pct": percent(running, listed, SHARE_DIGITS),
        }
        if "rest_count" in row:
            bar["rest_count"] = row["rest_count"]
        bars.append(bar)
    return bars


def _keys(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in _MEASURES}
