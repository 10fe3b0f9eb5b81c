"""Lines read by `_rows.c` and by arro3 are the same records; of what it does not know it says so."""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from arro3.core import DataType, Field, RecordBatch, Schema, Table
from hypothesis import given
from hypothesis import strategies as st

from tracesvc.files import tables
from tracesvc.files.tables import FileColumn, arrow_schema, record_batch
from tracesvc.line_bytes import counted, records_line

pytestmark = pytest.mark.skipif(
    tables.OWN_READER is None,
    reason="there was no C compiler when tracesvc was installed: arro3 reads all lines",
)
COLUMNS = [
    FileColumn("TEXT", "string"),
    FileColumn("N", "integer"),
    FileColumn("數量", "number", 20, 6),
    FileColumn("RATE", "number"),
    FileColumn("DONE", "boolean"),
    FileColumn("AT", "timestamp"),
]
SCHEMA = arrow_schema(COLUMNS)


def line_of(rows: bytes, count: int) -> bytes:
    return records_line("d", 0, 0, count, rows)


def own(line: bytes, schema: Schema = SCHEMA) -> RecordBatch | None:
    """What the C module makes of it, None where it leaves a line to arro3."""
    return tables._own_records(line, schema)


def by_arro3(line: bytes, schema: Schema = SCHEMA) -> RecordBatch:
    return tables._any_records(line, schema)


def same(one: RecordBatch, other: RecordBatch) -> bool:
    """Values, nulls and types; doubles bit by bit."""
    doubles = [[value.hex() for value in column if value is not None] for column in map(reals, (one, other))]
    return Table.from_batches([one]) == Table.from_batches([other]) and doubles[0] == doubles[1]


def reals(batch: RecordBatch) -> list[float | None]:
    return list(batch.column("RATE").to_pylist()) if "RATE" in batch.schema.names else []


def record(**values: Any) -> dict[str, Any]:
    return dict.fromkeys((column.name for column in COLUMNS), None) | values


TIMES = st.datetimes().map(lambda at: at.isoformat(timespec="microseconds" if at.microsecond else "seconds"))
VALUES = {
    "TEXT": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    "N": st.none() | st.integers(-(10**18) + 1, 10**18 - 1),
    "數量": st.none() | st.decimals(-(10**9), 10**9, places=4).map(float) | st.integers(0, 10**14 - 1),
    "RATE": st.none() | st.floats(-1e9, 1e9).map(lambda value: round(value, 3)),
    "DONE": st.none() | st.booleans(),
    "AT": st.none() | TIMES,
}
RECORDS = st.tuples(*VALUES.values()).map(lambda values: dict(zip(VALUES, values, strict=True)))


@given(st.lists(RECORDS, max_size=20))
def test_records_are_what_arro3_reads(records: Sequence[dict[str, Any]]) -> None:
    line = line_of(orjson.dumps(records), len(records))
    found = own(line)
    numbers = orjson.dumps([(each["數量"] or 0, each["RATE"] or 0) for each in records])
    assert (found is None) == (b"e" in numbers)  # as small ones have exponents
    assert found is None or same(found, by_arro3(line))


@pytest.mark.parametrize(
    "values",
    [
        {"N": 0},
        {"N": -999999999999999999},
        {"數量": 12345678901234.567891},
        {"數量": -0.0001},
        {"RATE": -0.0},
        {"RATE": 123456789.012345},
        {"TEXT": ""},
        {"TEXT": "二光檢 ñ 🙂 \x7f"},
        {"TEXT": "},{"},
        {"TEXT": "null"},
        {"TEXT": 'a "quoted" one'},
        {"TEXT": '\\ "'},
        {"TEXT": "\0\b\t\n\x0b\f\r\x1f"},
        {"AT": "0001-01-01T00:00:00"},
        {"AT": "1969-12-31T23:59:59.999999"},
        {"AT": "2000-02-29T00:00:00"},
        {"AT": "9999-12-31T23:59:59.9"},
        *({"DONE": done} for done in (True, False)),
    ],
)
def test_single_values_are_what_arro3_reads(values: dict[str, Any]) -> None:
    line = line_of(orjson.dumps([record(), record(**values), record()]), 3)
    found = own(line)
    assert found is not None
    assert same(found, by_arro3(line))


def escaped(text: bytes) -> bytes:
    return line_of(orjson.dumps([record(TEXT="?"), record()]).replace(b"?", text), 2)


@pytest.mark.parametrize(
    "text", [rb"\u0000\u007f\u0080\u07ff\u0800\uffff", rb"\ud83d\ude42", rb"\uD83D\uDE42", rb"\/ \u002F"]
)
def test_characters_by_number_are_what_arro3_reads(text: bytes) -> None:
    found = own(escaped(text))
    assert found is not None
    assert same(found, by_arro3(escaped(text)))


@pytest.mark.parametrize(
    "text",
    [
        rb"\x",
        rb"\u12",
        rb"\u12g4",
        rb"\ud83d",
        rb"\ude42",
        rb"\ud83d\u0041",
        rb"\ud83dxxde42",
        b"\\\0",
        b"\\",
    ],
)
def test_escapes_that_json_lacks_are_left_to_arro3(text: bytes) -> None:
    assert own(escaped(text)) is None


@pytest.mark.parametrize(
    "values",
    [
        {"TEXT": 5},
        {"N": 10**18},
        {"N": 1.5},
        {"N": "1"},
        {"數量": 0.0000001},
        {"數量": 1e20},
        {"RATE": 0.1234567890123456},
        {"DONE": 1},
        {"AT": "2025-02-29T00:00:00"},
        {"AT": "2025-13-01T00:00:00"},
        {"AT": "2025-01-01T24:00:00"},
        {"AT": "2025-01-01T00:00:60"},
        {"AT": "2025-01-01"},
        {"AT": "2025-01-01T00:00:00Z"},
        {"AT": "2025-01-01T00:00:00.1234567"},
        {"AT": "2025-01-01T00:00:00."},
        {"AT": ""},
    ],
)
def test_other_values_are_left_to_arro3(values: dict[str, Any]) -> None:
    assert own(line_of(orjson.dumps([record(), record(**values)]), 2)) is None


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        (b"[]", 1),
        (b"[]", -1),
        (b"[{}]", 1),
        (b"[{},{}]", 2),
        (orjson.dumps([record()]), 0),
        (orjson.dumps([record()]), 2),
        (orjson.dumps([record(), record()]), 1),
        (orjson.dumps([record()]), 10**15),
        (orjson.dumps([record()]) + b",", 1),
        (json.dumps([record()]).encode(), 1),
        (orjson.dumps([record(), dict(reversed(record().items()))]), 2),
        (orjson.dumps([record(), record(MORE=1)]), 2),
        (orjson.dumps([record(MORE=1), record()]), 2),
        (orjson.dumps([{"TEXT": "a", "N": 1}]), 1),
        (orjson.dumps([record()]).replace(b'"N":', b'"TEXT":null,"N":'), 1),
        (orjson.dumps([record(MORE=[1])]), 1),
        (orjson.dumps([record(MORE={})]), 1),
        (orjson.dumps([record(MORE=1)]).replace(b"1", b"1-"), 1),
        (orjson.dumps([record(MORE=1)]).replace(b"MORE", rb"M\u0041"), 1),
        (orjson.dumps([record()]).replace(b"}", b",}"), 1),
        (orjson.dumps([{f"C{number}": 1 for number in range(300)} | record()]), 1),
        (orjson.dumps([record(N=1)]).replace(b"1", b"01"), 1),
        (orjson.dumps([record(N=1)]).replace(b"1", b"+1"), 1),
        (orjson.dumps([record(N=1)]).replace(b"1", b"1."), 1),
        (orjson.dumps([record(N=1)]).replace(b"1", b"-"), 1),
        (orjson.dumps([record(N=1)]).replace(b"1", b"9" * 40), 1),
        *(
            (orjson.dumps([record(TEXT="?")]).replace(b"?", text), 1)
            for text in (b"\xc3", b"\xed\xa0\x80", b"\xc0\x80")
        ),
        *(
            (orjson.dumps([record(TEXT="?")]).replace(b"?", text), 1)
            for text in (b"\xf4\x90\x80\x80", b"\xff", b"\xe4\xba")
        ),
    ],
)
def test_other_forms_are_left_to_arro3(rows: bytes, count: int) -> None:
    assert own(line_of(rows, count)) is None


def test_a_line_cut_at_any_byte_is_left_to_arro3() -> None:
    whole = line_of(
        orjson.dumps([record(), record(TEXT="二光", N=-1, AT="2025-01-01T00:00:00.5", RATE=0.5)]), 2
    )
    assert own(whole) is not None
    assert own(whole[:-1]) is not None  # the newline
    assert [cut for cut in range(len(whole) - 1) if own(whole[:cut]) is not None] == []


@given(st.data())
def test_a_line_with_one_other_byte_is_read_as_arro3_reads_it_or_left_to_it(data: st.DataObject) -> None:
    line = bytearray(
        line_of(orjson.dumps([record(TEXT="a", N=12, RATE=1.5, AT="2025-01-01T00:00:00")] * 2), 2)
    )
    begin = line.index(b'"data":') + 7
    line[data.draw(st.integers(begin, len(line) - 1))] = data.draw(st.sampled_from(string.printable.encode()))
    found = own(bytes(line))
    assert found is None or same(found, by_arro3(bytes(line)))


@pytest.mark.parametrize(
    "more", [None, True, False, 1, -1.5, "", "a", 'a "quoted" one', "},{", "二光檢" * 20]
)
def test_columns_in_any_order_and_others_that_nobody_wants_are_read(more: Any) -> None:
    names = ["RATE", "TEXT", "AT", "DONE", "N", "數量"]
    one, two = record(TEXT="a", N=1, AT="2025-01-01T00:00:00"), record(RATE=0.5, DONE=True)
    records = [{"A": more} | {name: each[name] for name in names} | {"Z": more} for each in (one, two)]
    line = line_of(orjson.dumps(records), 2)
    found = own(line)
    assert found is not None
    assert same(found, by_arro3(line))


def test_types_that_files_do_not_have_are_left_to_arro3() -> None:
    line = line_of(b'[{"N":1}]', 1)
    for kind in (
        DataType.int32(),
        DataType.decimal256(40, 2),
        DataType.timestamp("us", tz="UTC"),
        DataType.string_view(),
    ):
        assert own(line, Schema([Field("N", kind, nullable=True)])) is None


def test_a_table_without_columns_has_its_rows() -> None:
    found = own(line_of(b"[{},{}]", 2), Schema([]))
    assert found is not None
    assert found.num_rows == 2


def test_whatever_reads_a_line_its_reader_gets_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    line = line_of(orjson.dumps([record(TEXT="a"), record(N=5)]), 2)
    quick = record_batch(line, SCHEMA)
    monkeypatch.setattr(tables, "OWN_READER", None)
    assert own(line) is None
    assert same(quick, record_batch(line, SCHEMA))


def test_the_head_of_a_line_says_how_many_records_follow_and_where() -> None:
    assert counted(line_of(b"[]", 7)) == (7, line_of(b"[]", 7).index(b"[]"))
    assert counted(b'{"type":"records","data":[],"count":7}') is None
