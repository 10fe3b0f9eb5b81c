"""Rows: numbers in their exact shortest form, text that tries to look like JSON, cuts without parsing."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Literal

import pytest
from arro3 import compute
from arro3.core import Array, DataType, RecordBatch, list_array
from hypothesis import given, settings
from hypothesis import strategies as st

from tracesvc.results.rows import encode_rows, slice_rows

JSON_LIKE = st.sampled_from(
    [
        '"},{"A":',
        '","B":',
        '"N":null',
        '\\"N\\":null',
        '"N":null,',
        "\\",
        '\\"',
        '"',
        "}]",
        '{"A":1}',
        ',"N":',
        "null",
        "\u2028\u2029",
        "\x00\x1f\x7f",
        "中文\U0001f600",
        "</script>",
        "\r\n\t\b\f",
    ]
)
CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXT = st.none() | st.lists(JSON_LIKE | st.text(CHARACTERS, max_size=3), max_size=4).map("".join)
DECIMAL = st.none() | st.decimals(
    min_value=Decimal(-(10**20)), max_value=Decimal(10**20), places=5, allow_nan=False
)
WHOLE = st.none() | st.integers(-(10**20), 10**20).map(Decimal)
FLOAT = st.none() | st.floats()


def text(values: list[str | None]) -> Array:
    return Array(values, type=DataType.string())


def decimals(values: list[Decimal | None], precision: int = 38, scale: int = 10) -> Array:
    texts = [None if value is None else format(value, "f") for value in values]
    return compute.cast(text(texts), DataType.decimal128(precision, scale))


def floats(values: list[float | None]) -> Array:
    return Array(values, type=DataType.float64())


def times(values: list[str | None], unit: Literal["s", "ms", "us", "ns"] = "us") -> Array:
    return compute.cast(text(values), DataType.timestamp(unit))


def shortest(value: Decimal | float | None) -> str | None:
    if value is None or not math.isfinite(value):
        return None
    plain = format(Decimal(repr(value)) if isinstance(value, float) else value, "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in {"-0", "0"} else plain


class Number(str):
    """A number's own characters in the JSON text, to be told apart from a string."""

    __slots__ = ()


def parsed(data: bytes) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(data, parse_int=Number, parse_float=Number)
    for row in rows:
        for value in row.values():
            assert not isinstance(value, Number) or "e" not in value.lower()
    return rows


def test_a_record_has_every_key_in_order_and_no_blank() -> None:
    batch = RecordBatch.from_pydict(
        {
            "CONTAINERID": text(["A", None]),
            "QTY": decimals([Decimal(43200), Decimal("1.5")]),
            "AT": times(["2026-01-01T00:30:00", None]),
            "OPEN": Array([True, None], type=DataType.bool()),
            "名": text(['批"號\\', "\u2028"]),
        }
    )
    assert encode_rows(batch).decode() == (
        '[{"CONTAINERID":"A","QTY":43200,"AT":"2026-01-01T00:30:00","OPEN":true,"名":"批\\"號\\\\"},'
        '{"CONTAINERID":null,"QTY":1.5,"AT":null,"OPEN":null,"名":"\u2028"}]'
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["43200.000", "0", "-0"], ["43200", "0", "0"]),
        (["1.500", None, "100"], ["1.5", None, "100"]),
        (["-0.5", "0.0000000001"], ["-0.5", "0.0000000001"]),
        (["9999999999999999999999999999.9999999999"], ["9999999999999999999999999999.9999999999"]),
        (["9999999999999999999999999999"], ["9999999999999999999999999999"]),
        ([None, None], [None, None]),
    ],
)
def test_decimals_come_shortest_and_exact(values: list[str | None], expected: list[str | None]) -> None:
    column = decimals([None if value is None else Decimal(value) for value in values])
    rows = parsed(encode_rows(RecordBatch.from_pydict({"N": column})))
    assert [row["N"] for row in rows] == expected


def test_a_decimal_that_rounds_up_over_its_precision_stays_exact() -> None:
    value = Decimal("9" * 35 + ".999")
    batch = RecordBatch.from_pydict({"N": decimals([value, Decimal(1)], scale=3)})
    assert encode_rows(batch) == f'[{{"N":{value}}},{{"N":1}}]'.encode()


def test_38_digits_come_whole() -> None:
    batch = RecordBatch.from_pydict({"N": decimals([Decimal("9" * 38), Decimal("-" + "9" * 38)], scale=0)})
    assert encode_rows(batch) == b'[{"N":' + b"9" * 38 + b'},{"N":-' + b"9" * 38 + b"}]"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0, -0.0, None], b'[{"N":5},{"N":0},{"N":null}]'),
        ([-0.0, 0.5], b'[{"N":0},{"N":0.5}]'),
        ([1e16, 1e-7], b'[{"N":10000000000000000},{"N":0.0000001}]'),
        ([math.nan, math.inf, -math.inf, 1.0], b'[{"N":null},{"N":null},{"N":null},{"N":1}]'),
        ([1e22], b'[{"N":10000000000000000000000}]'),
    ],
)
def test_floats_have_no_exponent_and_no_point_zero(values: list[float | None], expected: bytes) -> None:
    assert encode_rows(RecordBatch.from_pydict({"N": floats(values)})) == expected


def test_a_narrow_float_keeps_its_own_digits() -> None:
    batch = RecordBatch.from_pydict({"N": Array([0.1, 2.5], type=DataType.float32())})
    assert encode_rows(batch) == b'[{"N":0.1},{"N":2.5}]'


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_are_naive_and_show_a_fraction_only_when_there_is_one(
    unit: Literal["s", "ms", "us", "ns"],
) -> None:
    values: list[str | None] = ["2026-01-01T00:30:00", None, "1969-12-31T23:59:59"]
    whole = parsed(encode_rows(RecordBatch.from_pydict({"T": times(values, unit)})))
    assert [row["T"] for row in whole] == ["2026-01-01T00:30:00", None, "1969-12-31T23:59:59"]
    if unit != "s":
        fraction = RecordBatch.from_pydict({"T": times(["2026-01-01T00:30:00.25"], unit)})
        assert encode_rows(fraction) == b'[{"T":"2026-01-01T00:30:00.250"}]'


def test_a_time_that_cannot_be_shown_is_refused() -> None:
    endless = compute.cast(Array([0, 2**63 - 1], type=DataType.int64()), DataType.timestamp("us"))
    with pytest.raises(ValueError, match="column T: a timestamp"):
        encode_rows(RecordBatch.from_pydict({"T": endless}))


@pytest.mark.parametrize(
    "column",
    [
        list_array(Array([0, 1], type=DataType.int32()), Array([7], type=DataType.int64())),
        Array([b"x"], type=DataType.binary()),
        compute.cast(Array([0], type=DataType.int64()), DataType.timestamp("us", tz="UTC")),
    ],
)
def test_other_types_are_refused_by_name(column: Array) -> None:
    with pytest.raises(TypeError, match="column X"):
        encode_rows(RecordBatch.from_pydict({"X": column}))


@pytest.mark.parametrize("name", ["", "A B", 'A"', "A\\", "A:", "A,"])
def test_a_name_that_could_be_mistaken_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        encode_rows(RecordBatch.from_pydict({name: text(["x"])}))


def test_no_rows_are_an_empty_array() -> None:
    assert encode_rows(RecordBatch.from_pydict({"A": text([]), "N": floats([])})) == b"[]"


def test_more_rows_than_one_piece_come_in_order() -> None:
    count = 2345
    batch = RecordBatch.from_pydict({"I": Array(range(count), type=DataType.int64())})
    assert json.loads(encode_rows(batch)) == [{"I": i} for i in range(count)]
    assert json.loads(encode_rows(batch.slice(7, 1500))) == [{"I": i} for i in range(7, 1507)]


Row = tuple[str | None, Decimal | None, Decimal | None, str | None, float | None, Decimal | None]
ROWS = st.lists(st.tuples(TEXT, DECIMAL, DECIMAL, TEXT, FLOAT, WHOLE), max_size=12)
ORDERS = st.permutations(["A", "N", "M", "B", "F", "W"])


def batch_of(rows: list[Row], order: list[str]) -> RecordBatch:
    columns = {
        "A": text([row[0] for row in rows]),
        "N": decimals([row[1] for row in rows]),
        "M": decimals([row[2] for row in rows], scale=5),
        "B": text([row[3] for row in rows]),
        "F": floats([row[4] for row in rows]),
        "W": decimals([row[5] for row in rows]),
    }
    return RecordBatch.from_pydict({name: columns[name] for name in order})


def expected_of(rows: list[Row], order: list[str]) -> list[dict[str, object]]:
    expected: list[dict[str, object]] = []
    for a, n, m, b, f, w in rows:
        record: dict[str, object] = {
            "A": a,
            "N": shortest(n),
            "M": shortest(m),
            "B": b,
            "F": shortest(f),
            "W": shortest(w),
        }
        expected.append({name: record[name] for name in order})
    return expected


@settings(deadline=None, max_examples=300)
@given(ROWS, ORDERS)
def test_whatever_text_stands_beside_numbers_values_come_back(rows: list[Row], order: list[str]) -> None:
    data = encode_rows(batch_of(rows, order))
    got = parsed(data)
    assert got == expected_of(rows, order)
    assert [list(row) for row in got] == [order] * len(rows)
    assert all(isinstance(row[name], Number | None) for row in got for name in "NMFW")


@settings(deadline=None, max_examples=300)
@given(ROWS, ORDERS, st.integers(-2, 14), st.integers(-2, 14))
def test_a_cut_is_the_same_as_parsing_and_slicing(
    rows: list[Row], order: list[str], start: int, stop: int
) -> None:
    cut = slice_rows(encode_rows(batch_of(rows, order)), order[0], start, stop)
    assert parsed(cut) == expected_of(rows, order)[max(start, 0) : max(stop, 0)]


def test_cuts_join_to_the_whole() -> None:
    data = encode_rows(RecordBatch.from_pydict({"I": Array(range(10), type=DataType.int64())}))
    assert slice_rows(data, "I", 0, 10) == data
    cuts = [slice_rows(data, "I", start, start + 3)[1:-1] for start in range(0, 10, 3)]
    assert b"[" + b",".join(cuts) + b"]" == data
