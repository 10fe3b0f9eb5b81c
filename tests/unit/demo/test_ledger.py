"""The demo's client: what it makes of a stream, and of one that lies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
import zstandard

from tracesvc.demo.ledger import Ledger, StreamWrong
from tracesvc.demo.tracing import ZstdLines

Lines = list[dict[str, Any]]
CONTAINERS = {"asked": 2, "with_records": 1, "without_records": 1, "failed": 0}


def packed(line: dict[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode()


def stream() -> Lines:
    """Two domains; a text in the first looks like the start of a record."""
    rows = [{"CONTAINERID": "a", "TEXT": '{"CONTAINERID":'}, {"CONTAINERID": "a", "TEXT": "批次"}]
    records: Lines = [
        {"type": "records", "domain": "history", "batch": n, "offset": n, "count": 1, "data": [row]}
        for n, row in enumerate(rows)
    ]
    digest = hashlib.sha256(b"".join(hashlib.sha256(packed(line)).digest() for line in records)).hexdigest()
    empty = hashlib.sha256().hexdigest()
    start = {"type": "domain_start", "columns": [{"name": "CONTAINERID", "type": "string"}]}
    end = {"type": "domain_end", "status": "ok", "containers": CONTAINERS, "error": None}
    return [
        {"type": "meta", "domains": ["history", "holds"], "cid_count": 2},
        {**start, "domain": "history"},
        {"type": "progress", "domains": {"history": {"batches_done": 1, "batches_total": 2, "records": 1}}},
        *records,
        {**end, "domain": "history", "count": 2, "batches": 2, "digest": digest},
        {**start, "domain": "holds"},
        {**end, "domain": "holds", "count": 0, "batches": 0, "digest": empty},
        {"type": "complete", "total_records": 2, "domains": {"history": 2, "holds": 0}},
    ]


def entered(lines: Lines) -> Ledger:
    ledger = Ledger()
    for line in lines:
        ledger.enter(packed(line))
    ledger.close()
    return ledger


def test_a_true_stream_is_counted() -> None:
    ledger = entered(stream())
    assert {name: domain.records for name, domain in ledger.domains.items()} == {"history": 2, "holds": 0}
    assert ledger.json_bytes == sum(len(packed(line)) + 1 for line in stream())
    assert ledger.progress["history"]["batches_total"] == 2


def changed(place: int, **members: object) -> Callable[[Lines], Lines]:
    return lambda lines: [*lines[:place], {**lines[place], **members}, *lines[place + 1 :]]


def without(place: int) -> Callable[[Lines], Lines]:
    return lambda lines: lines[:place] + lines[place + 1 :]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(without(0), id="no meta"),
        pytest.param(without(1), id="no domain_start"),
        pytest.param(without(3), id="a records line is missing"),
        pytest.param(without(4), id="the last records line is missing"),
        pytest.param(without(5), id="no domain_end"),
        pytest.param(without(8), id="cut"),
        pytest.param(lambda lines: lines + lines[-1:], id="a line after the last"),
        pytest.param(lambda lines: [*lines[:4], lines[3], *lines[4:]], id="a records line twice"),
        pytest.param(changed(1, domain="holds"), id="domains out of order"),
        pytest.param(changed(3, count=2), id="count is not the number of records"),
        pytest.param(changed(4, data=[{"CONTAINERID": "b"}]), id="other bytes than were committed"),
        pytest.param(changed(5, status="partial"), id="partial"),
        pytest.param(changed(5, containers={**CONTAINERS, "asked": 3}), id="containers unaccounted for"),
        pytest.param(changed(8, total_records=3), id="another total"),
        pytest.param(changed(8, type="error", code="WORKER_LOST", message="lost"), id="error"),
        pytest.param(changed(2, type="surprise"), id="unknown type"),
    ],
)
def test_a_stream_that_lies_is_refused(spoil: Callable[[Lines], Lines]) -> None:
    with pytest.raises(StreamWrong):
        entered(spoil(stream()))


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(StreamWrong, match="no JSON"):
        Ledger().enter(b"<html>")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_frames_are_decoded_wherever_the_body_is_cut(size: int) -> None:
    lines = [packed(line) for line in stream()]
    body = b"".join(zstandard.compress(line + b"\n") for line in lines)
    decoder = ZstdLines()
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    assert [line for piece in pieces for line in decoder.decode(piece)] == lines
    decoder.flush()


def test_a_body_cut_inside_a_frame_is_refused() -> None:
    decoder = ZstdLines()
    assert list(decoder.decode(zstandard.compress(b"{}\n")[:-1])) in ([], [b"{}"])
    with pytest.raises(StreamWrong, match="cut"):
        decoder.flush()
