"""The question: its normal form, what is refused with which pointer, and the admission table."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracesvc.errors import CidLimitExceeded, InvalidParams, QueueUnavailable
from tracesvc.query import Admission, TraceQuery, admit, parse_query

PROFILES = ("query_tool", "query_tool_reverse", "mid_section_defect")
DOMAINS = ("history", "materials", "rejects", "upstream_history", "downstream_rejects")
MSD = "mid_section_defect"


def defaults(profile: str, params: Mapping[str, object]) -> tuple[str, ...]:
    if profile != MSD:
        return ("history", "materials")
    return ("upstream_history", "downstream_rejects" if params.get("direction") == "forward" else "materials")


def parse(body: object) -> TraceQuery:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_query(data, profiles=PROFILES, domains=DOMAINS, defaults=defaults)


def ask(**fields: object) -> TraceQuery:
    return parse({"profile": "query_tool", "container_ids": ["a"], **fields})


def refusal(body: object) -> list[dict[str, Any]]:
    """The `errors` of the refusal; each has a place, a message and a type."""
    with pytest.raises(InvalidParams) as refused:
        parse(body)
    errors = refused.value.fields["errors"]
    assert isinstance(errors, list)
    assert errors
    assert all(set(error) == {"loc", "msg", "type"} and error["msg"] and error["type"] for error in errors)
    return errors


def refused_at(**fields: object) -> list[object]:
    loc = refusal({"profile": "query_tool", "container_ids": ["a"], **fields})[0]["loc"]
    assert isinstance(loc, list)
    return loc


# Normal form


def test_ids_are_trimmed_without_blanks_and_duplicates_in_the_order_given() -> None:
    assert ask(container_ids=[" b ", "", "a\t", "b", "   ", "a", "c"]).container_ids == ["b", "a", "c"]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=64)))
def test_normalising_twice_changes_nothing(ids: list[str]) -> None:
    once = ask(container_ids=["a", *ids]).container_ids
    assert ask(container_ids=once).container_ids == once
    assert len(set(once)) == len(once)


def test_ids_differ_by_case_and_by_unicode_form() -> None:
    assert len(ask(container_ids=["a", "A", "\u00e9", "e\u0301"]).container_ids) == 4


def test_domains_default_to_the_profiles() -> None:
    assert ask().domain_names == ("history", "materials")


@pytest.mark.parametrize(
    ("params", "domains"),
    [
        ({}, ("upstream_history", "materials")),
        ({"direction": "backward"}, ("upstream_history", "materials")),
        ({"direction": "forward"}, ("upstream_history", "downstream_rejects")),
    ],
)
def test_domains_of_a_defect_analysis_follow_its_direction(params: object, domains: tuple[str, ...]) -> None:
    assert ask(profile=MSD, params=params).domain_names == domains


def test_any_subset_of_the_domains_may_be_asked_in_any_order() -> None:
    assert ask(domains=["rejects", "history", "rejects"]).domain_names == ("rejects", "history")


def test_an_id_may_have_64_characters_after_trimming() -> None:
    assert ask(container_ids=["  " + "字" * 64 + " "]).container_ids == ["字" * 64]


# Digest


def test_equal_questions_have_equal_digests() -> None:
    first = ask(container_ids=["a", "b", "c"])
    assert ask(container_ids=["c", " b", "a", "", "a"], domains=["history", "materials"]).digest("me") == (
        first.digest("me")
    )
    assert parse(b'{ "container_ids" : ["\\u0061","b","c"],\n"profile":"query_tool" }').digest("me") == (
        first.digest("me")
    )


def test_saying_the_defaults_aloud_is_the_same_question() -> None:
    spoken = {"mode": "date_range", "direction": "backward"}
    assert ask(profile=MSD, params=spoken).digest("me") == ask(profile=MSD).digest("me")


@pytest.mark.parametrize(
    "other",
    [
        {"container_ids": ["a", "b"]},
        {"container_ids": ["A"]},
        {"profile": "query_tool_reverse"},
        {"domains": ["history"]},
        {"domains": ["materials", "history"]},
        {"profile": MSD},
        {"seed_container_ids": ["a"]},
    ],
)
def test_other_questions_have_other_digests(other: dict[str, object]) -> None:
    assert ask(**other).digest("me") != ask().digest("me")


def test_another_callers_question_is_another_one() -> None:
    assert ask().digest("me") != ask().digest("you")


def test_the_border_between_ids_counts() -> None:
    assert ask(container_ids=["ab", "c"]).digest("me") != ask(container_ids=["a", "bc"]).digest("me")


# Refusals


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"nul",
        b"null",
        b"[]",
        b'"x"',
        b"1",
        b"{}{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"profile":"query_tool","container_ids":["a"],}',
        b"{'profile':'query_tool','container_ids':['a']}",
        b'{"profile":"query_tool","container_ids":["\xff\xfe"]}',
        b'{"profile":"query_tool","container_ids":["\xed\xa0\x80"]}',
        b'{"profile":"query_tool","container_ids":["\\ud800"]}',
        b'{"profile":"query_tool","container_ids":["\\udc00\\ud800"]}',
        b'{"profile":"query_tool","container_ids":["a"],"\\ud800":1}',
        b'{"profile":"query_tool","container_ids":["a\x00b"]}',
        b'{"profile":"query_tool","container_ids":[NaN]}',
        b'{"profile":"query_tool","container_ids":[' + b"9" * 10_000 + b"]}",
        '{"profile":"query_tool","container_ids":["a"]}'.encode("utf-16"),
        "{}",
        {},
        {"profile": "query_tool"},
        {"container_ids": ["a"]},
    ],
)
def test_what_is_no_question_is_refused(body: object) -> None:
    refusal(body)


@pytest.mark.parametrize(
    "value", [None, 1, True, [], {}, "", "QUERY_TOOL", "query_tool ", "nope", "x" * 10_000]
)
def test_a_wrong_profile_is_refused_with_its_place(value: object) -> None:
    assert refused_at(profile=value) == ["profile"]


@pytest.mark.parametrize("value", [None, "a", 1, {}, True, [], [""], [" ", "\t"]])
def test_no_ids_are_refused_with_their_place(value: object) -> None:
    assert refused_at(container_ids=value) == ["container_ids"]


@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], ["a"], {}, 10**30])
def test_an_id_that_is_no_text_is_refused_with_its_place(value: object) -> None:
    assert refused_at(container_ids=["a", value]) == ["container_ids", 1]


@pytest.mark.parametrize(
    "value", ["a\u0000b", "a\u001fb", "a\nb", "a\u007fb", "a\u0085b", "x" * 65, "字" * 65]
)
def test_a_control_character_or_too_long_an_id_is_refused_with_its_place(value: str) -> None:
    error = refusal({"profile": "query_tool", "container_ids": ["a", "", value]})[0]
    assert error["loc"] == ["container_ids", 2]
    assert value not in json.dumps(error)


@pytest.mark.parametrize(
    "value", [[], "history", ["nope"], [1], [None], {}, ["History"], ["history", "his tory"]]
)
def test_wrong_domains_are_refused_with_their_place(value: object) -> None:
    assert refused_at(domains=value)[0] == "domains"


@pytest.mark.parametrize("name", ["extra", "container_id", "Profile", "__proto__", "domain"])
def test_an_unknown_field_is_refused_by_its_name(name: str) -> None:
    assert refused_at(**{name: 1}) == [name]


def test_seeds_stand_in_place_of_ids() -> None:
    seeds = {"resolve_type": "lot_id", "values": ["GA*"]}
    assert parse({"profile": "query_tool", "seeds": seeds}).seeds is not None
    refusal({"profile": "query_tool", "container_ids": ["a"], "seeds": seeds})


@pytest.mark.parametrize(
    "seeds", [{}, [], "x", {"resolve_type": "nope", "values": ["a"]}, {"resolve_type": "lot_id"}]
)
def test_wrong_seeds_are_refused_with_their_place(seeds: object) -> None:
    assert refusal({"profile": "query_tool", "seeds": seeds})[0]["loc"][0] == "seeds"


def test_only_a_defect_analysis_takes_params() -> None:
    refusal({"profile": "query_tool", "container_ids": ["a"], "params": {"direction": "forward"}})


@pytest.mark.parametrize(
    "params",
    [
        {"direction": "sideways"},
        {"mode": 1},
        {"unknown": 1},
        {"start_date": "2026-13-01"},
        {"start_date": 0},
        {"start_date": True},
        {"values": "x"},
        {"loss_reasons": [1]},
        {"station": 5},
    ],
)
def test_wrong_params_are_refused_with_their_place(params: dict[str, object]) -> None:
    assert refused_at(profile=MSD, params=params)[:2] == ["params", *params]


def test_a_refusal_never_repeats_a_large_input() -> None:
    for body in (
        {"profile": "x" * 1_000_000, "container_ids": ["a"]},
        {"profile": "query_tool", "container_ids": ["x" * 1_000_000]},
        {"profile": "query_tool", "container_ids": ["a"], "x" * 1_000_000: 1},
        {"profile": "query_tool", "container_ids": ["a"], "domains": ["x" * 1_000_000]},
        {"profile": "query_tool", "container_ids": list(range(1000))},
    ):
        assert len(json.dumps(refusal(body))) < 10_000


@pytest.mark.parametrize("field", ["container_ids", "domains", "seed_container_ids"])
def test_many_faults_cost_no_more_memory_than_the_body(field: str) -> None:
    body = json.dumps({"profile": "query_tool", "container_ids": ["a"], field: [0] * 100_000}).encode()
    tracemalloc.start()
    refusal(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * len(body)


# Admission: T = 5, L = 10


def admission(count: int, *, jobs: bool, prefer: bool = False, profile: str = "query_tool") -> Admission:
    query = ask(profile=profile, container_ids=[f"{number:016x}" for number in range(count)])
    return admit(query, jobs_available=jobs, prefer_async=prefer, async_threshold=5, at_once_limit=10)


@pytest.mark.parametrize(
    ("count", "jobs", "prefer", "profile", "expected"),
    [
        (1, True, False, "query_tool", Admission.AT_ONCE),
        (5, True, False, "query_tool", Admission.AT_ONCE),
        (6, True, False, "query_tool", Admission.JOB),
        (11, True, False, "query_tool", Admission.JOB),
        (1, True, True, "query_tool", Admission.JOB),
        (1, True, False, MSD, Admission.JOB),
        (1, False, True, "query_tool", Admission.AT_ONCE),
        (10, False, False, "query_tool", Admission.AT_ONCE),
        (10, False, True, "query_tool", Admission.AT_ONCE),
        (11, False, False, MSD, Admission.AT_ONCE),
    ],
)
def test_a_trace_is_admitted_by_the_first_row_that_fits(
    count: int, profile: str, expected: Admission, *, jobs: bool, prefer: bool
) -> None:
    assert admission(count, jobs=jobs, prefer=prefer, profile=profile) is expected


@pytest.mark.parametrize("prefer", [False, True])
def test_too_many_without_jobs_are_refused_with_the_count_and_the_limit(*, prefer: bool) -> None:
    with pytest.raises(CidLimitExceeded) as refused:
        admission(11, jobs=False, prefer=prefer)
    assert refused.value.fields == {"cid_count": 11, "limit": 10}


def test_seeds_are_a_job_or_refused() -> None:
    query = parse({"profile": "query_tool", "seeds": {"resolve_type": "lot_id", "values": ["GA*"]}})
    assert (
        admit(query, jobs_available=True, prefer_async=False, async_threshold=5, at_once_limit=10)
        is Admission.JOB
    )
    with pytest.raises(QueueUnavailable):
        admit(query, jobs_available=False, prefer_async=False, async_threshold=5, at_once_limit=10)


def test_the_limit_below_the_threshold_does_not_refuse_what_is_small() -> None:
    query = ask(container_ids=["a", "b", "c"])
    assert (
        admit(query, jobs_available=False, prefer_async=False, async_threshold=5, at_once_limit=0)
        is Admission.AT_ONCE
    )
