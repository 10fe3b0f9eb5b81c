"""Values at the edges of their types, and results at the edges of their batches."""

# ruff: noqa: DTZ001 - the plant's times have no zone

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import pytest

from tests.oracle_wire import OracleServer
from tracesvc.errors import SourceUnavailable
from tracesvc.results.rows import encode_rows
from tracesvc.sources import SourceError
from tracesvc.sources.base import ValueRefused
from tracesvc.sources.oracle.source import OracleSource

LARGEST: Final = "12345678901234567890123456789012345678"
SETUP: Final = f"""
CREATE TABLE DWH.NUMBERS (K BIGINT, N DECIMAL(38, 0), F DECIMAL(38, 10), L DECIMAL(28, 0), W DECIMAL(10, 0));
INSERT INTO DWH.NUMBERS VALUES
    (1, {LARGEST}, 1.5, 1234567890123456789012345678, 1234567890), (2, -{LARGEST}, -0.0000000001, -1, -1),
    (3, NULL, NULL, NULL, NULL), (4, 0, 43200, 9007199254740993, 0),
    (5, 1, 1234567890123456789012345678.5, 0, 7);
CREATE TABLE DWH.TEXTS (K BIGINT, S VARCHAR, D TIMESTAMP);
INSERT INTO DWH.TEXTS VALUES
    (1, '晶圓 "𠮷" \\ 末', TIMESTAMP '2026-01-01 00:00:00'),
    (2, 'ABC             ', TIMESTAMP '2026-12-31 23:59:59'),
    (3, NULL, NULL), (4, repeat('長', 1300), TIMESTAMP '1969-12-31 23:59:58');
CREATE TABLE DWH.MANY AS SELECT i AS K, CASE WHEN i < 100 THEN NULL ELSE i + 0.5 END AS N,
    CASE WHEN i < 100 THEN NULL ELSE 'x' END AS S FROM range(1000) t(i);
CREATE TABLE DWH.LATE AS SELECT i AS K,
    CASE WHEN i = 900 THEN {LARGEST} ELSE 1 END AS N FROM range(1000) t(i);
CREATE TABLE DWH.FRACTIONS AS SELECT 0.1234567890123456789012345678901234567::DECIMAL(38, 37) AS N;
CREATE TABLE DWH.HUGE AS SELECT 1e60::DOUBLE AS N;
"""


@pytest.fixture(scope="module", params=["19c", "23ai"])
def tables(make_server: Callable[..., OracleServer], request: pytest.FixtureRequest) -> OracleServer:
    return make_server(release=request.param, setup=SETUP)


@pytest.fixture(params=["arrow", "rows"])
def source(
    tables: OracleServer, opened: Callable[..., OracleSource], request: pytest.FixtureRequest
) -> OracleSource:
    return opened(tables.settings, trace_db_reader=request.param)


async def records(source: OracleSource, sql: str, size: int = 100) -> list[dict[str, Any]]:
    """As they stand in lines, numbers exact."""
    found: list[dict[str, Any]] = []
    async for batch in source.batches(sql, {}, batch_size=size):
        found += json.loads(encode_rows(batch), parse_float=Decimal)
    return found


async def test_numbers_keep_every_digit(source: OracleSource) -> None:
    found = await records(source, "SELECT n.K, n.N, n.F, n.L, n.W FROM DWH.NUMBERS n ORDER BY 1")
    assert [row["N"] for row in found] == [int(LARGEST), -int(LARGEST), None, 0, 1]
    assert [row["F"] for row in found] == [
        Decimal("1.5"), Decimal("-0.0000000001"), None, 43200, Decimal("1234567890123456789012345678.5"),
    ]  # fmt: skip
    assert [row["L"] for row in found] == [1234567890123456789012345678, -1, None, 9007199254740993, 0]
    assert [row["W"] for row in found] == [1234567890, -1, None, 0, 7]


async def test_28_digits_need_no_second_reading(tables: OracleServer, source: OracleSource) -> None:
    sql = "SELECT n.L FROM DWH.NUMBERS n ORDER BY n.K"
    before = tables.count("statement")
    assert (await records(source, sql))[0]["L"] == 1234567890123456789012345678
    assert tables.count("statement") == before + 1


async def test_a_wide_number_after_the_first_batch_has_the_unit_read_again(
    tables: OracleServer, opened: Callable[..., OracleSource]
) -> None:
    source, sql = opened(tables.settings), "SELECT n.K, n.N FROM DWH.LATE n ORDER BY 1"
    with pytest.raises(SourceUnavailable) as caught:
        await records(source, sql)
    assert caught.value.remedy == "again"
    found = await records(source, sql)
    assert [row["N"] for row in found if row["K"] in (899, 900)] == [1, int(LARGEST)]


async def test_fractions_of_37_digits_are_exact_and_what_has_more_than_38_is_refused(
    source: OracleSource,
) -> None:
    (row,) = await records(source, "SELECT f.N FROM DWH.FRACTIONS f")
    assert row["N"] == Decimal("0.1234567890123456789012345678901234567")
    with pytest.raises((ValueRefused, SourceError)):
        await records(source, "SELECT h.N FROM DWH.HUGE h")
    await source.ping()


async def test_text_is_exact_and_dates_have_their_seconds(source: OracleSource) -> None:
    found = await records(source, "SELECT t.S, t.D FROM DWH.TEXTS t ORDER BY t.K")
    assert [row["S"] for row in found] == ['晶圓 "𠮷" \\ 末', "ABC             ", None, "長" * 1300]
    assert [row["D"] for row in found] == [
        "2026-01-01T00:00:00",
        "2026-12-31T23:59:59",
        None,
        "1969-12-31T23:59:58",
    ]


async def test_blanks_at_the_end_of_a_char_do_not_count_in_a_list(source: OracleSource) -> None:
    stream = source.batches(
        "SELECT TRIM(t.S) AS S FROM DWH.TEXTS t WHERE TRIM(t.S) IN (:ids)", {"ids": ["ABC  "]}, batch_size=9
    )
    assert [batch.column("S").to_pylist() async for batch in stream] == [["ABC"]]


async def test_a_first_batch_of_nulls_decides_nothing(source: OracleSource) -> None:
    found = await records(source, "SELECT m.K, m.N, m.S FROM DWH.MANY m ORDER BY 1", 100)
    assert found[99] == {"K": 99, "N": None, "S": None}
    assert found[100] == {"K": 100, "N": Decimal("100.5"), "S": "x"}


@pytest.mark.parametrize("rows", [0, 1, 100, 101, 200])
async def test_batches_are_bounded_whatever_the_number_of_rows(source: OracleSource, rows: int) -> None:
    stream = source.batches(f"SELECT m.K FROM DWH.MANY m WHERE m.K < {rows} ORDER BY 1", {}, batch_size=100)
    sizes = [batch.num_rows async for batch in stream]
    assert sum(sizes) == rows
    assert all(0 < size <= 100 for size in sizes)


async def test_a_moment_is_bound_to_the_second(source: OracleSource) -> None:
    sql = "SELECT t.K FROM DWH.TEXTS t WHERE t.D = :moment"
    stream = source.batches(sql, {"moment": datetime(2026, 12, 31, 23, 59, 59, 999)}, batch_size=9)
    assert [batch.column("K").to_pylist() async for batch in stream] == [[2]]


async def test_only_queries_run_and_binds_must_be_given(source: OracleSource) -> None:
    with pytest.raises(SourceError, match="read-only"):
        await records(source, "DELETE FROM DWH.TEXTS")
    with pytest.raises(SourceError, match=":moment"):
        await records(source, "SELECT t.K FROM DWH.TEXTS t WHERE t.D = :moment")
