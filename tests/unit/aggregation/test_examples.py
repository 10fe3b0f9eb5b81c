"""The worked examples of domain.md, section 7, every number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.msd_cases import example_a, example_b, taken_in
from tests.msd_reference import Row
from tracesvc.aggregation.analysis import Analysis
from tracesvc.aggregation.detail import DetailPage
from tracesvc.aggregation.file import AnalysisFile
from tracesvc.aggregation.filters import Filters

R1 = Filters(loss_reasons=("R1",))


@pytest.fixture
def backward(tmp_path: Path) -> Iterator[AnalysisFile]:
    made = taken_in(example_a(), tmp_path / "a.duckdb")
    yield made
    made.close()


@pytest.fixture
def forward(tmp_path: Path) -> Iterator[AnalysisFile]:
    made = taken_in(example_b(), tmp_path / "b.duckdb")
    yield made
    made.close()


def bars(chart: list[Row], *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(bar[field] for field in ("name", *fields)) for bar in chart]


FULL = ("defect_qty", "input_qty", "lot_count", "defect_rate", "cumulative_pct")


def test_backward_summary(backward: AnalysisFile) -> None:
    answer = backward.aggregate(Filters())
    assert answer["kpi"] == {
        "total_input": 5000,
        "lot_count": 4,
        "defective_lot_count": 3,
        "total_defect_qty": 105,
        "total_defect_rate": 2.1,
        "top_loss_reason": "R2",
        "affected_machine_count": 3,
    }
    assert answer["available_loss_reasons"] == ["R1", "R2"]
    assert answer["detail_total_count"] == 5
    assert answer["lineage_complete"] is True
    assert answer["domains_complete"] == {"upstream_history": True, "materials": True}
    assert answer["unclassified"] == []
    assert bars(answer["attribution"], "workcenter_group", "detection_lot_count", "defect_rate") == [
        ("MD-01", "成型", 3, 2.3333),
        ("DB-07", "焊接_DB", 2, 2.0),
        ("DB-08", "焊接_DB", 2, 0.8),
    ]


def test_backward_charts(backward: AnalysisFile) -> None:
    charts = backward.aggregate(Filters())["charts"]
    assert bars(charts["by_machine"], *FULL) == [
        ("MD-01", 105, 4500, 3, 2.3333, 56.76),
        ("DB-07", 60, 3000, 2, 2.0, 89.19),
        ("DB-08", 20, 2500, 2, 0.8, 100.0),
    ]
    assert bars(charts["by_detection_machine"], *FULL) == [
        ("T-02", 65, 3500, 2, 1.8571, 61.9),
        ("T-01", 40, 1500, 2, 2.6667, 100.0),
    ]
    assert bars(charts["by_material"], "part", "lot", "defect_qty", "input_qty", "defect_rate") == [
        ("EPOXY (X1)", "EPOXY", "X1", 60, 3000, 2.0),
        ("EPOXY", "EPOXY", None, 45, 1500, 3.0),
    ]
    assert bars(charts["by_wafer_root"], "defect_qty", "input_qty", "defect_rate") == [
        ("W-1", 60, 3000, 2.0),
        ("L4", 45, 1500, 3.0),
        ("W-2", 0, 500, 0.0),
    ]
    assert bars(charts["by_loss_reason"], "defect_qty", "defect_rate", "cumulative_pct") == [
        ("R2", 55, 1.1, 52.38),
        ("R1", 50, 1.0, 100.0),
    ]


def test_backward_trend_and_detail(backward: AnalysisFile) -> None:
    assert backward.aggregate(Filters())["daily_trend"] == [
        {"date": "2026-01-05", "input_qty": 3000, "defect_qty": 60, "defect_rate": 2.0},
        {"date": "2026-01-06", "input_qty": 2000, "defect_qty": 45, "defect_rate": 2.25},
    ]
    page = backward.detail(Filters(), DetailPage())
    assert page["total"] == 5
    assert [(row["container_name"], row["loss_reason"], row["defect_qty"]) for row in page["data"]] == [
        ("L1", "R1", 30),
        ("L1", "R2", 10),
        ("L2", "R1", 20),
        ("L3", None, 0),
        ("L4", "R2", 45),
    ]


def test_a_loss_reason_masks_defects_and_no_denominator(backward: AnalysisFile) -> None:
    answer = backward.aggregate(R1)
    assert list(answer["kpi"].values()) == [5000, 4, 2, 50, 1.0, "R1", 3]
    assert bars(answer["charts"]["by_machine"], "defect_qty", "input_qty", "defect_rate") == [
        ("DB-07", 50, 3000, 1.6667),
        ("MD-01", 50, 4500, 1.1111),
        ("DB-08", 20, 2500, 0.8),
    ]
    assert [tuple(day.values())[1:] for day in answer["daily_trend"]] == [(3000, 50, 1.6667), (2000, 0, 0.0)]
    assert answer["available_loss_reasons"] == ["R1", "R2"]


def test_forward_summary(forward: AnalysisFile) -> None:
    answer = forward.aggregate(Filters())
    assert answer["kpi"] == {
        "detection_lot_count": 2,
        "detection_defect_qty": 50,
        "tracked_lot_count": 2,
        "downstream_stations_reached": 2,
        "downstream_total_reject": 35,
        "downstream_pass_rate": 1.2195,
        "amplification": 0.439,
    }


def test_forward_charts(forward: AnalysisFile) -> None:
    charts = forward.aggregate(Filters())["charts"]
    station = ("lot_count", "input_qty", "defect_qty", "defect_rate", "cumulative_pct")
    assert bars(charts["by_downstream_station"], *station) == [
        ("測試", 1, 1180, 31, 2.6271, 88.57),
        ("電鍍", 2, 1690, 4, 0.2367, 100.0),
    ]
    assert bars(charts["by_downstream_machine"], *station) == [
        ("T-9", 1, 1180, 31, 2.6271, 88.57),
        ("PL-1", 2, 1690, 4, 0.2367, 100.0),
    ]
    assert bars(charts["by_downstream_loss_reason"], "defect_qty", "cumulative_pct") == [
        ("S1", 28, 80.0),
        ("S3", 4, 91.43),
        ("S2", 3, 100.0),
    ]
    assert bars(charts["by_detection_machine"], "defect_qty", "input_qty", "defect_rate") == [
        ("M-1", 50, 1000, 5.0),
        ("M-2", 0, 800, 0.0),
    ]


def test_forward_detail(forward: AnalysisFile) -> None:
    page = forward.detail(Filters(), DetailPage())
    shown = ("container_name", "station_count", "reject_qty", "reject_rate", "worst_station")
    assert [tuple(row[name] for name in shown) for row in page["data"]] == [("D1", 2, 31, 3.1, "測試")]


def test_amplification_of_no_defects_is_unknown(forward: AnalysisFile) -> None:
    kpi = forward.aggregate(Filters(loss_reasons=("none",)))["kpi"]
    assert (kpi["detection_defect_qty"], kpi["amplification"], kpi["downstream_pass_rate"]) == (
        0,
        None,
        1.2195,
    )


def test_a_closed_file_answers_any_number_of_readers_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    made = taken_in(example_a(), path)
    answer = made.aggregate(R1)
    made.close()
    with Analysis.open(path) as one, Analysis.open(path) as other:
        assert one.aggregate(R1) == other.aggregate(R1) == answer
