"""Forward: what happens downstream to the detection station's lots (domain.md, 7)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import duckdb

from tracesvc.aggregation.backward import daily_trend
from tracesvc.aggregation.bars import ALL, Bar, chart, to_bars
from tracesvc.aggregation.numbers import percent, quantity, ratio
from tracesvc.aggregation.statements import Row, rows, run

HISTORY, REJECTS = "upstream_history", "downstream_rejects"


def aggregate(con: duckdb.DuckDBPyConnection, complete: Mapping[str, bool]) -> dict[str, Any]:
    """KPI, charts, trend and attribution of the cohort; null where a domain is not complete.

    Stations and machines have their input from one domain and their rejects from the other: they need both.
    """
    run(con, "reached")
    whole = complete[HISTORY] and complete[REJECTS]
    (totals,) = rows(con, "totals")
    (found,) = rows(con, "downstream_totals")
    stations = chart(con, "station", downstream=True, most=ALL) if whole else None
    return {
        "kpi": {
            "detection_lot_count": totals["lots"],
            "detection_defect_qty": quantity(totals["defects"]),
            "tracked_lot_count": found["tracked_lots"] if whole else None,
            "downstream_stations_reached": found["stations"] if whole else None,
            "downstream_total_reject": quantity(found["rejected"]) if complete[REJECTS] else None,
            "downstream_pass_rate": percent(found["rejected"], found["input"]) if whole else None,
            "amplification": _amplification(found, totals) if whole else None,
        },
        "charts": {
            "by_downstream_station": stations,
            "by_downstream_machine": chart(con, "machine", downstream=True) if whole else None,
            "by_downstream_loss_reason": _reasons(con, found["input"]) if whole else None,
            "by_detection_machine": chart(con, "detection_machine"),
        },
        "daily_trend": daily_trend(con),
        "attribution": stations,
        "unclassified": chart(con, "unclassified", downstream=True, most=ALL) if whole else None,
    }


def _amplification(found: Row, totals: Row) -> float | None:
    """The downstream reject rate over the detection defect rate; None when that is 0."""
    if not (totals["defects"] and totals["input"]):
        return None
    if not found["input"]:
        return 0.0
    return ratio((found["rejected"], totals["defects"]), (found["input"], totals["input"]))


def _reasons(con: duckdb.DuckDBPyConnection, input_qty: Decimal) -> list[Bar]:
    found = rows(con, "downstream_bars", {"most": ALL}, dimension="reason")
    return to_bars(found, input_qty=input_qty)
