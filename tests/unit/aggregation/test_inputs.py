"""What is taken in may be blank-padded, null, unparsable, huge, doubled or empty."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from arro3.core import Array, DataType, Table

from tests.msd_cases import GROUPS, example_a, history, line, lot, rows_of, taken_in
from tests.msd_reference import Case, Reference
from tracesvc.aggregation.file import AnalysisFile
from tracesvc.aggregation.filters import Filters
from tracesvc.aggregation.scope import Scope
from tracesvc.errors import InvalidParams


def answer_of(case: Case, folder: Path) -> dict[str, Any]:
    made = taken_in(case, folder / "analysis.duckdb")
    try:
        return made.aggregate(Filters())
    finally:
        made.close()


@pytest.mark.parametrize("none", [None, "", "n/a", "NaN", "1e999", "--5"])
def test_a_quantity_that_is_none_counts_as_nothing(none: Any, tmp_path: Path) -> None:
    case = example_a()
    case.lots[0]["TRACKINQTY"] = none
    case.rejects[0]["QTY"] = none
    kpi = answer_of(case, tmp_path)["kpi"]
    assert (kpi["total_input"], kpi["total_defect_qty"], kpi["lot_count"]) == (4000, 75, 4)


@pytest.mark.parametrize("none", [None, "n/a", 10**25, 1e300])
def test_a_line_with_such_a_quantity_is_read_to_its_end(none: Any, tmp_path: Path) -> None:
    made = AnalysisFile(tmp_path / "analysis.duckdb", GROUPS)
    made.begin({"direction": "forward", "station": "成型"})
    made.take_lots(_lots(rows_of("lots", ("D1", "D1", "m", "M-1", "成型", "S", "2026-01-05T00:00:00", 10))))
    rows = [history("D1", "電鍍", "PL-1", none), history("D1", "測試", "T-9", 7.25)]
    made.take_records("upstream_history", line("upstream_history", rows))
    made.take_records("downstream_rejects", line("downstream_rejects", []))
    made.seal({"upstream_history": True, "downstream_rejects": True}, lineage_complete=True)
    stations = made.aggregate(Filters())["charts"]["by_downstream_station"]
    assert {bar["name"]: bar["input_qty"] for bar in stations} == {"電鍍": 0, "測試": 7.25}
    made.close()


def _lots(rows: list[dict[str, Any]]) -> Table:
    numbers = [None if (value := row["TRACKINQTY"]) is None else float(value) for row in rows]
    columns: dict[str, Any] = {
        name: Array([row[name] for row in rows], type=DataType.string())
        for name in rows[0]
        if name != "TRACKINQTY"
    }
    return Table.from_pydict(columns | {"TRACKINQTY": Array(numbers, type=DataType.float64())})


def test_sums_of_fractions_are_exact(tmp_path: Path) -> None:
    case = example_a()
    case.rejects = rows_of("rejects", *[("C1", f"R{number}", "0.1") for number in range(10)])
    assert answer_of(case, tmp_path)["kpi"]["total_defect_qty"] == 1


@pytest.mark.parametrize(
    ("defects", "whole", "rate"),
    [("1", "8000", 0.0125), ("1", "800000", 0.0001), ("0.5", "1000000", 0.0001), ("0.4999", "1000000", 0.0),
     ("1", "160000", 0.0006), ("5", "0", 0.0)],
)  # fmt: skip
def test_rates_are_rounded_half_up(defects: str, whole: str, rate: float, tmp_path: Path) -> None:
    case = Case(
        lots=[lot("C1", "L1", Decimal(whole), "2026-01-05T00:00:00", "T-01")],
        rejects=rows_of("rejects", ("C1", "R1", defects)),
        places=example_a().places,
    )
    assert answer_of(case, tmp_path)["kpi"]["total_defect_rate"] == rate


def test_blanks_at_the_ends_of_text_mean_nothing(tmp_path: Path) -> None:
    padded = example_a()
    for rows in (padded.lots, padded.rejects, padded.members, padded.roots, padded.workflows):
        for row in rows:
            row.update({name: f"{value}  " for name, value in row.items() if isinstance(value, str)})
    assert answer_of(padded, tmp_path) == Reference(example_a()).answer()


def test_a_lot_that_comes_twice_counts_with_its_latest_session(tmp_path: Path) -> None:
    case = example_a()
    case.lots.append(lot("C1", "L1", 70, "2026-01-07T00:00:00", "T-02"))
    answer = answer_of(case, tmp_path)
    assert (answer["kpi"]["lot_count"], answer["kpi"]["total_input"]) == (4, 4070)
    assert answer["daily_trend"][-1]["date"] == "2026-01-07"


def test_pairs_and_records_that_come_twice_count_once(tmp_path: Path) -> None:
    case = example_a()
    case.members *= 2
    case.records = {domain: rows * 2 for domain, rows in case.records.items()}
    assert answer_of(case, tmp_path) == Reference(example_a()).answer()


def test_an_analysis_of_nothing_is_all_zeros(tmp_path: Path) -> None:
    case = Case(places=example_a().places, complete={"upstream_history": True, "materials": True})
    answer = answer_of(case, tmp_path)
    assert answer == Reference(case).answer()
    assert answer["kpi"]["total_defect_rate"] == 0.0
    assert answer["charts"]["by_machine"] == []


def test_records_of_other_domains_are_passed_by(tmp_path: Path) -> None:
    case = example_a()
    case.records["holds"] = []
    case.records["downstream_rejects"] = rows_of("downstream_rejects", ("A1", "x", "成型", "R", "M", 5))
    assert answer_of(case, tmp_path) == Reference(example_a()).answer()


@pytest.mark.parametrize(
    ("station", "group"),
    [
        (None, "測試"),
        ("", "測試"),
        ("測試", "測試"),
        ("TMTT", "測試"),
        (" 元件切割 ", "元件切割"),
        ("bandl-2", "電鍍"),
    ],
)
def test_a_station_is_a_group_or_a_workcentre_of_one(station: str | None, group: str) -> None:
    scope = Scope.from_params({"station": station}, GROUPS)
    assert (scope.station, scope.direction) == (group, "backward")
    assert Scope.from_dict(scope.to_dict()) == scope


@pytest.mark.parametrize("params", [{"station": "Mars"}, {"direction": "sideways"}])
def test_a_station_or_direction_that_nobody_knows_is_refused(params: dict[str, str]) -> None:
    with pytest.raises(InvalidParams) as refused:
        Scope.from_params(params, GROUPS)
    assert refused.value.fields["errors"][0]["loc"] == ["params", *params]  # type: ignore[index]
