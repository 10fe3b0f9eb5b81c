"""The older layout: whatever its spelling and wherever it is cut, the same records; a fault has a place."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracesvc.errors import ChunkCorrupt
from tracesvc.results.legacy import Scan, scan

DOCUMENT = (
    '{"code" : null,\r\n "failed_domains": [ "jobs" ,"a\\"b" ], "results":\t{"history": '
    '{"count": 3, "data": [\n'
    '  { "CONTAINERID" : "A\\\\", "N": -1.50e+3, "名": '
    '"批 \\u6279\\ud83d\\ude00 , } ] \\" : \U0001f600" },{ },'
    '{"X":{"Y":[[], [1, {"Z": "} ]"}], {}]},"T":true, "F":false,"U":null}\n] , "total":3},'
    '"holds":{"data":[ ],"count":0,"total":0}, "rejects":{"total":1,"data":[{"Q":43200}],"count":1}},'
    ' "stage":"events","aggregation":{"kpi": { "yield" : 0.5 } } } \n'
).encode()
RECORDS = [
    (
        "history",
        (
            '{"CONTAINERID":"A\\\\","N":-1.50e+3,"名":"批 \\u6279\\ud83d\\ude00 , } ] \\" : \U0001f600"}'
        ).encode(),
    ),
    ("history", b"{}"),
    ("history", b'{"X":{"Y":[[],[1,{"Z":"} ]"}],{}]},"T":true,"F":false,"U":null}'),
    ("rejects", b'{"Q":43200}'),
]
MEMBERS = {
    "code": b"null",
    "failed_domains": b'["jobs","a\\"b"]',
    "stage": b'"events"',
    "aggregation": b'{"kpi":{"yield":0.5}}',
}


async def feed(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


async def read(*pieces: bytes) -> tuple[Scan, list[tuple[str, bytes]]]:
    found = scan(feed(pieces))
    return found, [record async for record in found]


async def test_records_come_compact_in_order_and_the_rest_is_kept() -> None:
    found, records = await read(DOCUMENT)
    assert records == RECORDS
    assert found.domains == {"history": 3, "holds": 0, "rejects": 1}
    assert found.members == MEMBERS


async def test_a_cut_at_any_byte_changes_nothing() -> None:
    for place in range(len(DOCUMENT) + 1):
        found, records = await read(DOCUMENT[:place], DOCUMENT[place:])
        assert (records, found.members) == (RECORDS, MEMBERS), place


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
async def test_small_pieces_change_nothing(size: int) -> None:
    found, records = await read(*cut(DOCUMENT, size))
    assert (records, found.members) == (RECORDS, MEMBERS)


async def test_an_empty_piece_is_not_the_end() -> None:
    assert (await read(b"", DOCUMENT[:100], b"", DOCUMENT[100:], b""))[1] == RECORDS


async def test_a_document_that_ends_early_is_damaged_wherever_it_ends() -> None:
    for place in range(len(DOCUMENT.rstrip())):
        with pytest.raises(ChunkCorrupt) as caught:
            await read(DOCUMENT[:place])
        whole_characters = len(DOCUMENT[:place].decode(errors="ignore").encode())
        assert caught.value.fields["position"] in {place, whole_characters}


def with_data(data: str) -> str:
    return f'{{"results":{{"history":{{"data":{data}}}}}}}'


@pytest.mark.parametrize(
    ("text", "marker"),
    [
        ("[]", "[]"),
        ('{"results":[]}', "[]"),
        ('{"results":{"history":[]}}', "[]"),
        ('{"results":{"history":{"data":{}}}}', "{}}}}"),
        (with_data('[{"A":1}{"A":2}]'), '{"A":2}'),
        (with_data('[{"A":1},]'), "]}"),
        (with_data('[{"A":01}]'), "1}]"),
        (with_data('[{"A":NaN}]'), "NaN"),
        (with_data('[{"A":"\n"}]'), '"\n"'),
        (with_data('[{"A":"\\x"}]'), '"\\x"'),
        (with_data("[{'A':1}]"), "'A'"),
        (with_data('[{"A" 1}]'), '"A" 1'),
        (with_data('[{"A":1,}]'), "}]"),
        (with_data('[{"A":[1}]}]'), "}]}"),
        (with_data('[{"A":1]'), "]}"),
        (with_data("[]") + "x", "x"),
        (with_data("[],"), "}}}"),
    ],
)
async def test_a_fault_has_its_place(text: str, marker: str) -> None:
    for size in (len(text), 1):
        with pytest.raises(ChunkCorrupt) as caught:
            await read(*cut(text.encode(), size))
        position = caught.value.fields["position"]
        assert isinstance(position, int)
        assert text[position:].lstrip().startswith(marker), position


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{}", "no `results`"),
        ('{"results":{},"results":{}}', "second `results`"),
        ('{"results":{"a":{"data":[]},"a":{"data":[]}}}', "second `a`"),
        ('{"results":{"a":{"data":[],"data":[]}}}', "second `data`"),
        ('{"results":{"a":{"count":2,"data":[{}]}}}', "1 records and another `count`"),
        ('{"results":{"a":{"data":[{}],"total":0}}}', "1 records and another `total`"),
        (with_data("[1]"), "no object"),
        (with_data('["a",{}]'), "no object"),
    ],
)
async def test_json_that_is_no_whole_result_is_damaged(text: str, what: str) -> None:
    with pytest.raises(ChunkCorrupt, match=what):
        await read(text.encode())


async def test_bytes_that_are_not_utf8_have_their_place() -> None:
    good = with_data('[{"A":"批"}]').encode()
    bad = good.replace("批".encode(), b"\xe6\x89x")
    for pieces in ([bad], cut(bad, 1)):
        with pytest.raises(ChunkCorrupt, match="UTF-8") as caught:
            await read(*pieces)
        assert caught.value.fields["position"] == bad.index(b"\xe6")


async def test_nesting_of_any_depth_costs_no_recursion() -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    text = with_data(f'[{{"A":{deep.decode()}}}]').encode()
    assert (await read(*cut(text, 65_536)))[1] == [("history", b'{"A":' + deep + b"}")]


async def test_no_more_is_read_ahead_than_a_piece() -> None:
    taken = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal taken
        for piece in cut(with_data("[" + ",".join(['{"A":"xyz"}'] * 10_000) + "]").encode(), 1000):
            taken += len(piece)
            yield piece

    given = len(with_data("["))
    async for _, record in scan(counted()):
        given += len(record) + 1
        assert taken - given <= 1100


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
DOMAINS = st.dictionaries(
    st.text(max_size=5), st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=4), max_size=3
)
SPELLINGS: list[dict[str, Any]] = [
    {"separators": (",", ":"), "ensure_ascii": False},
    {"separators": (",", ":")},
    {},
    {"ensure_ascii": False},
    {"indent": 2},
    {"indent": "\t", "ensure_ascii": False},
]


@settings(deadline=None, max_examples=200)
@given(DOMAINS, JSON, st.sampled_from(SPELLINGS), st.integers(1, 200))
async def test_every_document_reads_as_a_json_parser_reads_it(
    domains: dict[str, list[dict[str, Any]]], other: Any, spelling: dict[str, Any], size: int
) -> None:
    results = {name: {"data": data, "count": len(data)} for name, data in domains.items()}
    document = {"aggregation": other, "results": results}
    text = json.dumps(document, **spelling)
    found, records = await read(*cut(text.encode(), size))
    assert [(domain, json.loads(record)) for domain, record in records] == [
        (name, row) for name, data in domains.items() for row in data
    ]
    compact = [
        json.dumps(row, ensure_ascii=spelling.get("ensure_ascii", True), separators=(",", ":"))
        for d in domains.values()
        for row in d
    ]
    assert [record.decode() for _, record in records] == compact
    assert json.loads(found.members["aggregation"]) == other
