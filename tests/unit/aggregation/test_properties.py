"""What must hold for every analysis, on random plants, and for every choice of filters."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.msd_cases import random_case, taken_in
from tests.msd_reference import Case
from tracesvc.aggregation.filters import Filters

Answers = dict[Filters, dict[str, Any]]
Made = tuple[Case, Answers]


@pytest.fixture(scope="module", params=[3, 14, 47], ids="seed {}".format)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Sixty containers or so with all domains read, and what is answered for every choice of filters."""
    case = random_case(request.param)
    case.complete = dict.fromkeys(case.records, True)
    file = taken_in(case, tmp_path_factory.mktemp("plant") / "analysis.duckdb", random.Random(request.param))
    answers = {filters: file.aggregate(filters) for filters in choices(case)}
    for filters in list(answers)[:2]:
        assert file.aggregate(filters) == answers[filters], (
            "an answer does not depend on what was asked before"
        )
    file.close()
    return case, answers


def choices(case: Case) -> list[Filters]:
    reasons = sorted({row["LOSSREASONNAME"] or "(未填寫)" for row in case.rejects})
    types = sorted({row["PJ_TYPE"] or "(未知)" for row in case.lots})
    return [
        Filters(),
        *(Filters(loss_reasons=(reason,)) for reason in reasons),
        *(Filters(pj_types=(kind,)) for kind in types),
        Filters(loss_reasons=tuple(reasons[:1]), pj_types=tuple(types[:1])),
    ]


def totals(answer: dict[str, Any]) -> tuple[float, float, int]:
    """Input, defects and lots of the cohort: its detection machines have each lot once."""
    bars = answer["charts"]["by_detection_machine"]
    return (
        sum(bar["input_qty"] for bar in bars),
        sum(bar["defect_qty"] for bar in bars),
        sum(bar["lot_count"] for bar in bars),
    )


def test_the_cases_have_something_to_say(made: Made) -> None:
    _, answers = made
    _, defects, lots = totals(answers[Filters()])
    assert lots > 5
    assert defects > 0


def test_every_lot_is_in_exactly_one_detection_machine(made: Made) -> None:
    case, answers = made
    for answer in answers.values():
        kpi = answer["kpi"]
        _, defects, lots = totals(answer)
        assert lots == kpi.get("lot_count", kpi.get("detection_lot_count"))
        assert defects == pytest.approx(kpi.get("total_defect_qty", kpi.get("detection_defect_qty")))
    assert totals(answers[Filters()])[2] == len(case.lots)


def test_no_bar_exceeds_the_cohort(made: Made) -> None:
    for answer in made[1].values():
        entered, defects, lots = totals(answer)
        for name, bars in answer["charts"].items():
            assert all(bar["lot_count"] <= lots for bar in bars), name
            if "downstream" not in name:
                assert all(bar["defect_qty"] <= defects + 1e-9 for bar in bars), name
                assert all(bar["input_qty"] <= entered + 1e-9 for bar in bars), name


def test_chosen_reasons_give_no_more_defects_than_all_and_the_same_denominators(made: Made) -> None:
    _, answers = made
    everything = answers[Filters()]
    for filters, answer in answers.items():
        assert totals(answer)[1] <= totals(everything)[1]
        if not filters.pj_types:
            assert totals(answer)[0] == totals(everything)[0]
            assert answer["available_loss_reasons"] == everything["available_loss_reasons"]


def test_types_share_the_lots_among_them(made: Made) -> None:
    _, answers = made
    parts = [answer for filters, answer in answers.items() if filters.pj_types and not filters.loss_reasons]
    sums = [sum(column) for column in zip(*map(totals, parts), strict=True)]
    assert sums == pytest.approx(list(totals(answers[Filters()])))


def test_running_shares_rise_to_the_whole(made: Made) -> None:
    for answer in made[1].values():
        for name, bars in answer["charts"].items():
            shares = [bar["cumulative_pct"] for bar in bars]
            assert shares == sorted(shares), name
            if any(bar["defect_qty"] for bar in bars):
                assert shares[-1] == 100.0, name
