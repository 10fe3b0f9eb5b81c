"""Lines: one model a type, their bytes, and the records line that is written without a model."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from tracesvc.line_bytes import records_line, rows_of
from tracesvc.lines import (
    LINE,
    CompleteLine,
    DomainEndLine,
    ErrorLine,
    Line,
    MetaLine,
    ProgressLine,
    RecordsLine,
    encode,
)

FIELDS = {
    "meta": [
        "protocol",
        "job_id",
        "profile",
        "domains",
        "cid_count",
        "batch_size",
        "live",
        "created_at",
        "resumed_after",
    ],
    "seeds": ["data"],
    "lineage": ["data"],
    "domain_start": ["domain", "columns", "total_batches", "total"],
    "records": ["domain", "batch", "offset", "count", "data"],
    "domain_end": ["domain", "count", "batches", "status", "containers", "digest", "error"],
    "progress": ["status", "stage", "elapsed_seconds", "records", "domains"],
    "aggregation": ["data"],
    "warning": ["code", "failed_domains", "failed", "message"],
    "complete": ["total_records", "elapsed_seconds", "domains"],
    "error": ["code", "message", "retryable", "resume_after"],
}

COUNTS = {"asked": 3, "with_records": 1, "without_records": 1, "failed": 1}
EXAMPLES: list[dict[str, Any]] = [
    {
        "type": "meta",
        "protocol": 1,
        "job_id": None,
        "profile": "query_tool",
        "domains": ["history"],
        "cid_count": 3,
        "batch_size": 5000,
        "live": True,
        "created_at": "2026-11-23T13:42:35.120Z",
        "resumed_after": None,
    },
    {"type": "seeds", "data": {"seed_count": 0}},
    {"type": "lineage", "data": {"depth": 0}},
    {
        "type": "domain_start",
        "domain": "history",
        "columns": [{"name": "CONTAINERID", "type": "string"}],
        "total_batches": 1,
        "total": None,
    },
    {
        "type": "records",
        "domain": "history",
        "batch": 0,
        "offset": 0,
        "count": 1,
        "data": [{"CONTAINERID": "a", "QTY": 1.5, "PARTIAL_COUNT": 2, "HELD": None}],
    },
    {
        "type": "domain_end",
        "domain": "history",
        "count": 1,
        "batches": 1,
        "status": "partial",
        "containers": COUNTS,
        "digest": "0" * 64,
        "error": {"code": "SOURCE_TIMEOUT", "message": "too slow"},
    },
    {
        "type": "progress",
        "status": "running",
        "stage": "events",
        "elapsed_seconds": 0.5,
        "records": 1,
        "domains": {"history": {"batches_done": 1, "batches_total": 2, "records": 1}},
    },
    {"type": "aggregation", "data": {"kpi": {}}},
    {
        "type": "warning",
        "code": "EVENTS_PARTIAL_FAILURE",
        "failed_domains": ["history"],
        "failed": {"history": 1},
        "message": "1 container could not be fetched",
    },
    {"type": "complete", "total_records": 1, "elapsed_seconds": 0.5, "domains": {"history": 1}},
    {
        "type": "error",
        "code": "JOB_CANCELLED",
        "message": "cancelled",
        "retryable": False,
        "resume_after": None,
    },
]


def by_type(name: str) -> dict[str, Any]:
    return next(dict(example) for example in EXAMPLES if example["type"] == name)


def test_the_union_names_every_line_type() -> None:
    models = get_args(get_args(Line)[0])
    declared = {model.model_fields["type"].default: list(model.model_fields)[1:] for model in models}
    assert declared == FIELDS


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["type"] for example in EXAMPLES])
def test_a_line_survives_its_bytes(example: dict[str, Any]) -> None:
    data = encode(LINE.validate_python(example))
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    assert json.loads(data) == example


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["type"] for example in EXAMPLES])
def test_the_type_comes_first(example: dict[str, Any]) -> None:
    assert encode(LINE.validate_python(example)).startswith(f'{{"type":"{example["type"]}",'.encode())


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["type"] for example in EXAMPLES])
def test_a_field_that_is_not_the_protocols_is_refused(example: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="extra"):
        LINE.validate_python({**example, "surprise": 1})


@pytest.mark.parametrize("wrong", [{}, {"type": "record"}, {"type": None}, [], "meta"])
def test_a_line_of_no_known_type_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        LINE.validate_python(wrong)


def test_missing_values_are_explicit_nulls() -> None:
    line = MetaLine(
        job_id=None, profile=None, domains=[], cid_count=None, batch_size=1, live=False, created_at=None
    )
    assert set(json.loads(encode(line))) == {"type", *FIELDS["meta"]}


def test_a_newline_in_a_text_does_not_cut_the_line() -> None:
    line = ErrorLine(code="JOB_FAILED", message="first\nsecond\r\n第三", retryable=False)
    data = encode(line)
    assert data.count(b"\n") == 1
    assert "第三".encode() in data
    assert json.loads(data)["message"] == "first\nsecond\r\n第三"


@pytest.mark.parametrize("status", ["done", "OK", "", None])
def test_a_domain_ends_only_in_a_known_status(status: object) -> None:
    with pytest.raises(ValidationError):
        DomainEndLine.model_validate({**by_type("domain_end"), "status": status})


@pytest.mark.parametrize("status", ["done", "RUNNING", None])
def test_progress_shows_only_known_states(status: object) -> None:
    with pytest.raises(ValidationError):
        ProgressLine.model_validate({**by_type("progress"), "status": status})


@pytest.mark.parametrize("change", [{"batch": -1}, {"offset": -1}, {"count": 0}, {"data": []}])
def test_a_records_line_is_never_empty_or_before_the_start(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RecordsLine.model_validate({**by_type("records"), **change})


def test_lines_cannot_be_changed() -> None:
    line = CompleteLine(total_records=1, elapsed_seconds=0.1, domains={"history": 1})
    with pytest.raises(ValidationError):
        line.total_records = 2  # type: ignore[misc]


ROWS = '[{"CONTAINERID":"a","COMMENT":"說 \\"data\\":[ }{ \\\\"},{"CONTAINERID":"b","COMMENT":null}]'.encode()


def test_a_records_line_holds_the_rows_bytes_as_they_are() -> None:
    line = records_line("history", 3, 15_000, 2, ROWS)
    assert ROWS in line
    assert line.index(b"\n") == len(line) - 1
    parsed = LINE.validate_json(line)
    assert isinstance(parsed, RecordsLine)
    assert (parsed.domain, parsed.batch, parsed.offset, parsed.count) == ("history", 3, 15_000, 2)
    assert parsed.data == json.loads(ROWS)


def test_a_records_line_reads_as_its_model_writes_it() -> None:
    line = records_line("history", 0, 0, 2, ROWS)
    parsed = LINE.validate_json(line)
    assert json.loads(encode(parsed)) == json.loads(line)
    assert list(json.loads(encode(parsed))) == list(json.loads(line))


@pytest.mark.parametrize("rows", [ROWS, b"[]", b'[{"data":"\\"data\\":"}]', b'[{"A":"}"}]'])
def test_rows_are_cut_out_of_a_records_line_unchanged(rows: bytes) -> None:
    assert rows_of(records_line("history", 12, 60_000, 5000, rows)) == rows


def test_numbers_of_records_keep_their_kind() -> None:
    parsed = LINE.validate_json(
        records_line("d", 0, 0, 1, b'[{"A":43200,"B":1.5,"C":true,"D":"1","E":null}]')
    )
    assert isinstance(parsed, RecordsLine)
    assert [type(value) for value in parsed.data[0].values()] == [int, float, bool, str, type(None)]
