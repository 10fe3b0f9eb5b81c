"""Files look like the warehouse whatever they hold: declared types, trimmed text, exact numbers."""

# ruff: noqa: DTZ001 - the plant's times have no zone

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tracesvc.catalogue import Catalogue, load_catalogue
from tracesvc.errors import SourceConfigError, SourceUnavailable, TraceError
from tracesvc.settings import load_settings
from tracesvc.sources import Source, open_source

MATERIALS = """SELECT m.CONTAINERID AS C, m.MATERIALLOTNAME AS L, m.QTYCONSUMED AS Q, m.TXNDATE AS T
    FROM DWH.DW_MES_LOTMATERIALSHISTORY m ORDER BY 1, 2, 3"""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def opened(path: Path, catalogue: Catalogue) -> Source:
    return open_source(load_settings(trace_source_url=f"duckdb://{path}"), catalogue)


async def rows(source: Source, sql: str = MATERIALS, **params: object) -> list[tuple[object, ...]]:
    try:
        return [row async for _, batch in source.iter_rows(sql, params, 100) for row in batch]
    finally:
        await source.close()


def parquet(folder: Path, query: str) -> None:
    with duckdb.connect() as con:
        con.execute(f"COPY ({query}) TO '{folder / 'dw_mes_lotmaterialshistory.PARQUET'}' (FORMAT parquet)")


def database(folder: Path, query: str) -> None:
    with duckdb.connect(str(folder / "plant.duckdb")) as con:
        con.execute(f"CREATE SCHEMA dwh; CREATE TABLE dwh.dw_mes_lotmaterialshistory AS {query}")


@pytest.mark.parametrize("write", [parquet, database])
async def test_types_are_the_declared_ones_whatever_is_stored(
    tmp_path: Path, catalogue: Catalogue, write: Callable[[Path, str], None]
) -> None:
    write(
        tmp_path,
        """SELECT * FROM (VALUES
            ('a ', '  ', 0.1::DOUBLE, '2026-01-02'::DATE), (' b', ' x ', 'NaN'::DOUBLE, NULL),
            ('c', '', 1e-5::DOUBLE, '2026-01-03'::DATE), ('d', NULL, '-inf'::DOUBLE, NULL)
        ) AS v (containerid, materiallotname, QtyConsumed, TxnDate)""",
    )
    plant = tmp_path / "plant.duckdb"
    assert await rows(opened(plant if plant.exists() else tmp_path, catalogue)) == [
        ("a", None, Decimal("0.1"), datetime(2026, 1, 2)),
        ("b", "x", None, None),
        ("c", None, Decimal("0.00001"), datetime(2026, 1, 3)),
        ("d", None, None, None),
    ]


async def test_padded_ids_are_found_by_their_plain_form(tmp_path: Path, catalogue: Catalogue) -> None:
    parquet(tmp_path, "SELECT unnest(['a  ', 'a', ' a', 'b']) AS CONTAINERID, 1 AS QTYCONSUMED")
    sql = MATERIALS.replace("ORDER BY", "WHERE m.CONTAINERID IN (:container_ids) ORDER BY")
    assert await rows(opened(tmp_path, catalogue), sql, container_ids=["a"]) == [("a", None, 1, None)] * 3


async def test_exact_numbers_and_text_numbers_stay_exact(tmp_path: Path, catalogue: Catalogue) -> None:
    database(tmp_path, "SELECT 'a' AS CONTAINERID, 12345678901234567890123456789::HUGEINT AS QTYCONSUMED")
    assert (await rows(opened(tmp_path / "plant.duckdb", catalogue)))[0][2] == Decimal(
        12345678901234567890123456789
    )
    parquet(tmp_path, "SELECT 'a' AS CONTAINERID, unnest([' 12.50 ', 'many']) AS QTYCONSUMED")
    assert [row[2] for row in await rows(opened(tmp_path, catalogue))] == [Decimal("12.5"), None]


async def test_a_time_with_a_zone_becomes_the_plants_clock(tmp_path: Path, catalogue: Catalogue) -> None:
    parquet(tmp_path, "SELECT 'a' AS CONTAINERID, '2026-01-01 00:00:00+00'::TIMESTAMPTZ AS TXNDATE")
    assert (await rows(opened(tmp_path, catalogue)))[0][3] == datetime(2026, 1, 1, 8)


async def test_csv_is_read_with_the_declared_types_and_never_sniffed(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    (tmp_path / "DW_MES_LOTMATERIALSHISTORY.csv").write_text(
        "\ufeffTXNDATE,containerid,MATERIALLOTNAME,QTYCONSUMED,OTHER\n"
        '2026-01-02 03:04:05,0012,"a ""b"", c",0.10,x\n,0013,,,\n2026-01-02,0014,"兩\n行",1e2,y\n',
        encoding="utf-8",
    )
    assert await rows(opened(tmp_path, catalogue)) == [
        ("0012", 'a "b", c', Decimal("0.1"), datetime(2026, 1, 2, 3, 4, 5)),
        ("0013", None, None, None),
        ("0014", "兩\n行", Decimal(100), datetime(2026, 1, 2)),
    ]


async def test_what_is_missing_is_empty_or_null(tmp_path: Path, catalogue: Catalogue) -> None:
    parquet(tmp_path, "SELECT 'a' AS CONTAINERID")
    assert await rows(opened(tmp_path, catalogue)) == [("a", None, None, None)]
    (tmp_path / "DW_MES_JOB.csv").write_text("", encoding="utf-8")
    assert await rows(opened(tmp_path, catalogue), catalogue.domains["jobs"].sql) == []


async def test_a_directory_without_any_table_is_not_taken_for_an_empty_plant(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    with pytest.raises(SourceUnavailable, match="mounted"):
        await rows(opened(tmp_path, catalogue))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "is empty"),
        ("postgres://x", "no known kind"),
        ("duckdb://plant.duckdb", "absolute"),
        ("duckdb:///nowhere/plant.duckdb", "nothing is"),
    ],
)
def test_a_wrong_url_is_told_at_once(catalogue: Catalogue, url: str, told: str) -> None:
    with pytest.raises(SourceConfigError, match=told):
        open_source(load_settings(trace_source_url=url), catalogue)


async def test_two_files_for_one_table_are_refused(tmp_path: Path, catalogue: Catalogue) -> None:
    parquet(tmp_path, "SELECT 'a' AS CONTAINERID")
    (tmp_path / "DW_MES_LOTMATERIALSHISTORY.csv").write_text("CONTAINERID\nb\n", encoding="utf-8")
    with pytest.raises(SourceConfigError, match="two files"):
        await rows(opened(tmp_path, catalogue))


async def test_a_broken_file_is_an_error_without_path_or_sql(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "DW_MES_LOTMATERIALSHISTORY.parquet").write_bytes(b"no parquet at all, just text")
    with pytest.raises(TraceError) as caught:
        await rows(opened(tmp_path, catalogue))
    assert caught.value.code == "SOURCE_UNAVAILABLE"
    assert str(tmp_path) not in caught.value.detail


def test_the_name_follows_the_content_and_shows_no_path(tmp_path: Path, catalogue: Catalogue) -> None:
    before = opened(tmp_path, catalogue).name
    assert opened(tmp_path, catalogue).name == before
    parquet(tmp_path, "SELECT 'a' AS CONTAINERID")
    assert opened(tmp_path, catalogue).name != before
    assert str(tmp_path) not in before
