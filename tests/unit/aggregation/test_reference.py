"""The analysis equals the slow reference in every field, on random plants, and is as it is described."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Final

import pytest
from pydantic import TypeAdapter

from tests.msd_cases import random_case, taken_in
from tests.msd_reference import Case, Reference
from tracesvc.aggregation.detail import DetailPage
from tracesvc.aggregation.filters import Filters
from tracesvc.analysis_document import AnalysisDocument, BackwardAnalysis, ForwardAnalysis

DESCRIBED: Final[TypeAdapter[BackwardAnalysis | ForwardAnalysis]] = TypeAdapter(AnalysisDocument)
SEEDS = range(200 if os.environ.get("TRACE_SOAK") else 24)


def filters_of(case: Case, dice: random.Random) -> Filters:
    """Some of the values that charts show, and one that no lot has."""

    def some(values: set[str]) -> tuple[str, ...]:
        return tuple(
            sorted(dice.sample(pool := sorted(values | {"nowhere"}), dice.randrange(min(3, len(pool)))))
        )

    return Filters(
        loss_reasons=some({row["LOSSREASONNAME"] or "(未填寫)" for row in case.rejects}),
        pj_types=some({row["PJ_TYPE"] or "(未知)" for row in case.lots}),
        packages=some({row["PRODUCTLINENAME"] or "(未知)" for row in case.lots}),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_an_analysis_equals_the_reference_in_every_field(seed: int, tmp_path: Path) -> None:
    case, dice = random_case(seed), random.Random(seed)
    made = taken_in(case, tmp_path / "analysis.duckdb", dice)
    for filters in (Filters(), filters_of(case, dice), filters_of(case, dice)):
        reference = Reference(case, filters.loss_reasons, filters.pj_types, filters.packages)
        assert made.aggregate(filters) == reference.answer(), filters
        assert made.detail(filters, DetailPage(limit=1000))["data"] == reference.detail(), filters
    made.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_an_analysis_is_as_it_is_described(seed: int, tmp_path: Path) -> None:
    """Every field that is written is declared, of its type, and none is left out."""
    case, dice = random_case(seed), random.Random(seed)
    made = taken_in(case, tmp_path / "analysis.duckdb", dice)
    for filters in (Filters(), filters_of(case, dice)):
        answer = made.aggregate(filters)
        read = DESCRIBED.validate_python(answer, strict=True)
        assert read.model_dump(exclude_unset=True) == answer
    made.close()
