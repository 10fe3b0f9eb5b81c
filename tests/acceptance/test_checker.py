"""The checker of streams is itself checked: it passes a sound stream and refuses each breach."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.grammar import GrammarError, StreamChecker, check_stream

Line = dict[str, Any]
COLUMNS = [{"name": "CONTAINERID", "type": "string"}, {"name": "QTY", "type": "number"}]
META: Line = {
    "type": "meta", "protocol": 1, "job_id": None, "profile": "query_tool", "domains": ["history", "jobs"],
    "cid_count": 3, "batch_size": 2, "live": True, "created_at": "2026-11-23T13:42:35.120Z",
    "resumed_after": None,
}  # fmt: skip
PROGRESS: Line = {
    "type": "progress", "status": "running", "stage": "events", "elapsed_seconds": 0.0, "records": 2,
    "domains": {"history": {"batches_done": 1, "batches_total": 2, "records": 2}},
}  # fmt: skip


def start(domain: str) -> Line:
    return {"type": "domain_start", "domain": domain, "columns": COLUMNS, "total_batches": 2, "total": None}


def batch(domain: str, number: int, offset: int, *values: float) -> Line:
    data = [{"CONTAINERID": "測試", "QTY": value} for value in values]
    place = {"batch": number, "offset": offset, "count": len(data)}
    return {"type": "records", "domain": domain, **place, "data": data}


def text(line: Line) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode()


def end(domain: str, *batches: Line) -> Line:
    digests = b"".join(hashlib.sha256(text(line)).digest() for line in batches)
    return {
        "type": "domain_end", "domain": domain, "count": sum(line["count"] for line in batches),
        "batches": len(batches), "status": "ok", "digest": hashlib.sha256(digests).hexdigest(), "error": None,
        "containers": {"asked": 3, "with_records": 2, "without_records": 1, "failed": 0},
    }  # fmt: skip


def sound() -> list[Line]:
    batches = [batch("history", 0, 0, 1, 2.5), batch("history", 1, 2, 43200)]
    complete = {
        "type": "complete",
        "total_records": 3,
        "elapsed_seconds": 1.0,
        "domains": {"history": 3, "jobs": 0},
    }
    return [
        META, start("history"), batches[0], PROGRESS, batches[1], end("history", *batches),
        start("jobs"), end("jobs"), complete,
    ]  # fmt: skip


def body(lines: list[Line]) -> bytes:
    return b"".join(text(line) + b"\n" for line in lines)


def test_a_sound_stream_passes() -> None:
    seen = check_stream(body(sound()))
    assert [record["QTY"] for record in seen.domains["history"].records] == [1, 2.5, 43200]


def change(place: int, **fields: object) -> Callable[[list[Line]], list[Line]]:
    return lambda lines: [{**line, **fields} if at == place else line for at, line in enumerate(lines)]


def drop(place: int) -> Callable[[list[Line]], list[Line]]:
    return lambda lines: lines[:place] + lines[place + 1 :]


def repeat(place: int) -> Callable[[list[Line]], list[Line]]:
    return lambda lines: [*lines[: place + 1], lines[place], *lines[place + 1 :]]


BREACHES: dict[str, Callable[[list[Line]], list[Line]]] = {
    "no meta": drop(0),
    "meta twice": repeat(0),
    "no domain_start": drop(1),
    "a batch missing": drop(2),
    "a batch twice": repeat(2),
    "no domain_end": drop(5),
    "a domain missing": lambda lines: lines[:6] + lines[8:],
    "domains out of order": change(0, domains=["jobs", "history"]),
    "no last line": drop(8),
    "a line after the last": repeat(8),
    "a wrong offset": change(4, offset=3),
    "a wrong count": change(4, count=2),
    "too many records in a line": change(0, batch_size=1),
    "an empty line of records": change(4, data=[], count=0),
    "records of another domain": change(4, domain="jobs"),
    "other content": change(4, data=[{"CONTAINERID": "測試", "QTY": 43201}]),
    "a key missing": change(4, data=[{"CONTAINERID": "測試"}]),
    "keys in another order": change(4, data=[{"QTY": 43200, "CONTAINERID": "測試"}]),
    "text where a number belongs": change(4, data=[{"CONTAINERID": "測試", "QTY": "43200"}]),
    "a number too long": change(4, data=[{"CONTAINERID": "測試", "QTY": 43200.0}]),
    "untrimmed text": change(4, data=[{"CONTAINERID": "測試 ", "QTY": 43200}]),
    "a container unaccounted for": change(
        5, containers={"asked": 3, "with_records": 2, "without_records": 0, "failed": 0}
    ),
    "a loss without a warning": change(
        5,
        status="partial",
        error={"code": "SOURCE_TIMEOUT", "message": "slow"},
        containers={"asked": 3, "with_records": 2, "without_records": 0, "failed": 1},
    ),
    "a wrong total": change(8, total_records=4),
    "a wrong count of a domain": change(8, total_records=4, domains={"history": 4, "jobs": 0}),
    "an unknown line": lambda lines: [*lines[:3], {"type": "comment"}, *lines[3:]],
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_refused(breach: str) -> None:
    with pytest.raises(GrammarError):
        check_stream(body(BREACHES[breach](sound())))


@pytest.mark.parametrize(
    ("sent", "instead"),
    [
        ("測試".encode(), rb"\u6e2c\u8a66"),
        (b"2.5}", b"2.50}"),
        (b"43200}", b"4.32e4}"),
        (b"43200}", b"NaN}"),
        (b'"offset":2', b'"offset":2,\n'),
    ],
)
def test_other_spellings_are_refused(sent: bytes, instead: bytes) -> None:
    with pytest.raises((GrammarError, json.JSONDecodeError)):
        check_stream(body(sound()).replace(sent, instead))


def test_a_cut_stream_and_its_resumption_are_one() -> None:
    lines = sound()
    cut = StreamChecker().feed_all(map(text, lines[:3]))
    assert cut.cursor == "history:0"
    rest = [{**META, "resumed_after": cut.cursor}, lines[1], *lines[4:]]
    seen = StreamChecker(resumes=cut).feed_all(map(text, rest)).close()
    assert seen.domains["history"].count == 3
    with pytest.raises(GrammarError):
        StreamChecker(resumes=cut).feed_all(map(text, [rest[0], *lines[1:]]))
