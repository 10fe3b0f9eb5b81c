"""Backward: which upstream machine, material or wafer explains the defects (domain.md, 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

import duckdb

from tracesvc.aggregation.bars import ALL, chart, to_bars
from tracesvc.aggregation.numbers import percent, quantity
from tracesvc.aggregation.statements import Row, rows

T = TypeVar("T")

HISTORY, MATERIALS = "upstream_history", "materials"


def aggregate(
    con: duckdb.DuckDBPyConnection, filters: Mapping[str, object], complete: Mapping[str, bool]
) -> dict[str, Any]:
    """KPI, charts, trend and attribution of the cohort; null where a domain is not complete."""

    def given(domain: str, make: Callable[[], T]) -> T | None:
        return make() if complete[domain] else None

    machines = given(HISTORY, lambda: rows(con, "bars", {"most": ALL}, dimension="machine"))
    (totals,) = rows(con, "totals")
    reasons = rows(con, "reasons", {"loss_reasons": filters["loss_reasons"]})
    return {
        "kpi": {
            "total_input": quantity(totals["input"]),
            "lot_count": totals["lots"],
            "defective_lot_count": totals["defective_lots"],
            "total_defect_qty": quantity(totals["defects"]),
            "total_defect_rate": percent(totals["defects"], totals["input"]),
            "top_loss_reason": reasons[0]["name"] if reasons else None,
            "affected_machine_count": given(HISTORY, lambda: _affected(machines or [])),
        },
        "charts": {
            "by_machine": given(HISTORY, lambda: chart(con, "machine", found=machines)),
            "by_material": given(MATERIALS, lambda: chart(con, "material")),
            "by_wafer_root": chart(con, "wafer_root"),
            "by_loss_reason": to_bars(reasons, input_qty=totals["input"]),
            "by_detection_machine": chart(con, "detection_machine"),
            "by_workflow": chart(con, "workflow"),
            "by_package": chart(con, "package"),
            "by_type": chart(con, "type"),
        },
        "daily_trend": daily_trend(con),
        "attribution": given(HISTORY, lambda: [attributed(row) for row in machines or []]),
        "unclassified": given(HISTORY, lambda: _unclassified(con)),
    }


def daily_trend(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Input and defects by the day of the lots' track-in, days without lots left out."""
    return [
        {
            "date": _day(row["day"]),
            "input_qty": quantity(row["input"]),
            "defect_qty": quantity(row["defects"]),
            "defect_rate": percent(row["defects"], row["input"]),
        }
        for row in rows(con, "days")
    ]


def attributed(row: Row) -> dict[str, Any]:
    """One machine with every detection lot that it, or an ancestor of it, went through."""
    keys = ("workcenter_group", "workcenter", "equipment_name", "equipment_id")
    return {
        "name": row["name"],
        **{key: row[key] for key in keys if key in row},
        "resource_family": row["resource_family"],
        "detection_lot_count": row["lot_count"],
        "input_qty": quantity(row["input"]),
        "defect_qty": quantity(row["defects"]),
        "defect_rate": percent(row["defects"], row["input"]),
    }


def _unclassified(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    return [attributed(row) for row in rows(con, "bars", {"most": ALL}, dimension="unclassified")]


def _affected(machines: list[Row]) -> int:
    return sum(1 for row in machines if row["defects"] > Decimal(0))


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
