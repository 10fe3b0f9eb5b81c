"""Seeds and an analysis' params: what is refused, and where the fault is (domain.md, 5)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tracesvc.catalogue import load_catalogue
from tracesvc.errors import InvalidParams
from tracesvc.params import MAX_PATTERNS, MAX_VALUES
from tracesvc.query import TraceQuery, parse_query
from tracesvc.stage_query import parse_lineage, parse_seed_resolve

CATALOGUE = load_catalogue()
MSD = "mid_section_defect"
RANGE = {"start_date": "2025-09-01", "end_date": "2025-09-30"}


def trace(profile: str = "query_tool", **fields: Any) -> TraceQuery:
    return parse_query(
        json.dumps({"profile": profile, **fields}).encode(),
        profiles=CATALOGUE.profiles,
        domains=CATALOGUE.domains,
        defaults=CATALOGUE.domains_of,
        station_of=CATALOGUE.station_of,
    )


def seeds(kind: str = "lot_id", *values: Any) -> dict[str, Any]:
    return {"resolve_type": kind, "values": list(values)}


def refused_at(refused: pytest.ExceptionInfo[InvalidParams]) -> list[object]:
    errors: Any = refused.value.fields["errors"]
    return list(errors[0]["loc"])


@pytest.mark.parametrize(
    ("profile", "given", "place"),
    [
        ("query_tool", seeds("lot_id"), ["seeds", "values"]),
        ("query_tool", seeds("lot_id", " ", ""), ["seeds", "values"]),
        ("query_tool", seeds("lot_id", "x", 7), ["seeds", "values", 1]),
        ("query_tool", seeds("lot_id", "x", "a\x00b"), ["seeds", "values", 1]),
        ("query_tool", seeds("lot_id", "x" * 65), ["seeds", "values", 0]),
        ("query_tool", seeds("lot_id", "GA", "*"), ["seeds", "values", 1]),
        ("query_tool", seeds("lot_id", "%G%"), ["seeds", "values", 0]),
        (
            "query_tool",
            seeds("lot_id", *(f"GA{n}*" for n in range(MAX_PATTERNS + 1))),
            ["seeds", "values", 50],
        ),
        ("query_tool", seeds("lot_id", *map(str, range(MAX_VALUES + 1))), ["seeds", "values"]),
        ("query_tool", seeds("work_order", "GA1", "gd26010001"), ["seeds", "values", 1]),
        ("query_tool", seeds("serial_number", "x1"), ["seeds", "resolve_type"]),
        ("query_tool_reverse", seeds("lot_id", "x1"), ["seeds", "resolve_type"]),
        (MSD, seeds("gd_lot_id", "x1"), ["seeds", "resolve_type"]),
    ],
)
def test_seeds_that_cannot_be_resolved_are_refused_with_their_place(
    profile: str, given: dict[str, Any], place: list[object]
) -> None:
    with pytest.raises(InvalidParams) as refused:
        trace(profile, seeds=given)
    assert refused_at(refused) == place


def test_a_rework_order_is_pointed_to_its_own_kind() -> None:
    with pytest.raises(InvalidParams, match="gd_work_order"):
        trace(seeds=seeds("work_order", "GD26010001"))


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({}, ["params", "start_date"]),
        ({"start_date": "2025-09-01"}, ["params", "end_date"]),
        ({"end_date": "2025-09-01"}, ["params", "start_date"]),
        ({**RANGE, "end_date": "2025-08-31"}, ["params", "end_date"]),
        ({**RANGE, "end_date": "2027-09-01"}, ["params", "end_date"]),
        ({**RANGE, "start_date": "20250901"}, ["params", "start_date"]),
        ({**RANGE, "start_date": "2025-09-31"}, ["params", "start_date"]),
        ({**RANGE, "start_date": "2025-09-01T00:00"}, ["params", "start_date"]),
        ({**RANGE, "start_date": 20250901}, ["params", "start_date"]),
        ({**RANGE, "station": "不明站"}, ["params", "station"]),
        ({"mode": "container"}, ["params", "resolve_type"]),
        ({"mode": "container", "resolve_type": "lot_id"}, ["params", "values"]),
        ({"mode": "container", **seeds("work_order", "GD26010001")}, ["params", "values", 0]),
        ({"mode": "container", **seeds("lot_id", "*")}, ["params", "values", 0]),
    ],
)
def test_params_that_say_nothing_of_where_to_start_are_refused(
    params: dict[str, Any], place: list[object]
) -> None:
    with pytest.raises(InvalidParams) as refused:
        trace(MSD, params=params)
    assert refused_at(refused) == place
    with pytest.raises(InvalidParams) as refused:
        parse_seed_resolve(
            json.dumps({"profile": MSD, "params": params}).encode(),
            profiles=CATALOGUE.profiles,
            station_of=CATALOGUE.station_of,
        )
    assert refused_at(refused) == place


@pytest.mark.parametrize(("end", "days"), [("2025-09-01", 1), ("2027-08-31", 730)])
def test_a_range_counts_both_of_its_ends(end: str, days: int) -> None:
    query = trace(MSD, params={"start_date": "2025-09-01", "end_date": end})
    assert query.dates is not None
    first, last = query.dates
    assert (last - first).days + 1 == days


@pytest.mark.parametrize(
    ("given", "group"), [(None, "測試"), ("TMTT", "測試"), ("成型", "成型"), ("切割", "切割")]
)
def test_a_station_is_a_group_or_one_of_its_workcentres(given: str | None, group: str) -> None:
    asked = {**RANGE, "station": given} if given else RANGE
    assert trace(MSD, params=asked).params["station"] == group


def test_values_without_a_range_are_a_container_analysis() -> None:
    query = trace(MSD, params=seeds("lot_id", " GA1 ", "GA1"))
    assert query.named_seeds is not None
    assert query.named_seeds.values == ["GA1"]
    assert query.params["mode"] == "container"
    both = trace(MSD, params={**RANGE, **seeds("lot_id", "GA1")})
    assert both.named_seeds is None


def test_a_trace_says_what_it_will_do() -> None:
    assert trace(container_ids=["a"]).stages == ("events",)
    assert trace(seeds=seeds("lot_id", "GA1")).stages == ("seed-resolve", "lineage", "events")
    assert trace(MSD, params=RANGE).stages == ("seed-resolve", "lineage", "events", "aggregation")
    assert trace(MSD, container_ids=["a"]).stages == ("events", "aggregation")


@pytest.mark.parametrize(
    ("profile", "params", "direction"),
    [
        ("query_tool", {}, "forward"),
        ("query_tool", {"direction": "backward"}, "backward"),
        ("query_tool_reverse", {}, "backward"),
        (MSD, {}, "backward"),
        (MSD, {"direction": "forward"}, "forward"),
    ],
)
def test_a_lineage_has_a_direction(profile: str, params: dict[str, Any], direction: str) -> None:
    body = {"profile": profile, "container_ids": ["b", " a", "b"], "params": params}
    query = parse_lineage(json.dumps(body).encode(), profiles=CATALOGUE.profiles)
    assert (query.direction, query.container_ids) == (direction, ["b", "a"])


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"profile": "query_tool"}, ["container_ids"]),
        ({"profile": "query_tool", "container_ids": []}, ["container_ids"]),
        ({"profile": "nope", "container_ids": ["a"]}, ["profile"]),
        ({"profile": "query_tool", "container_ids": ["a"], "extra": 1}, ["extra"]),
        (
            {"profile": "query_tool", "container_ids": ["a"], "params": {"direction": "up"}},
            ["params", "direction"],
        ),
        (
            {"profile": "query_tool", "container_ids": ["a"], "params": {"station": "測試"}},
            ["params", "station"],
        ),
        ({"profile": "query_tool", "container_ids": "a"}, ["container_ids"]),
        ([], []),
    ],
)
def test_a_malformed_lineage_question_is_refused(body: object, place: list[object]) -> None:
    with pytest.raises(InvalidParams) as refused:
        parse_lineage(json.dumps(body).encode(), profiles=CATALOGUE.profiles)
    assert refused_at(refused) == place


def test_one_question_in_another_order_is_the_same_question() -> None:
    one, two = (trace(seeds=seeds("lot_id", *values)) for values in (["GA1", "GA2"], ["GA2", "GA1"]))
    other = trace(seeds=seeds("wafer_lot", "GA1", "GA2"))
    assert one.digest("x") == two.digest("x") != other.digest("x")
    late = {**RANGE, "end_date": "2025-10-01"}
    assert trace(MSD, params=RANGE).digest("x") != trace(MSD, params=late).digest("x")
