"""Parquet files put together from files of one row group: the same table to every reader."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import orjson
import polars as pl
import pyarrow.parquet as pq
import pytest

from tracesvc.files.feed import FedLine
from tracesvc.files.formats import ROW_GROUP_ROWS, write_domain
from tracesvc.files.order import FileDomain, FileOrder
from tracesvc.files.row_groups import MAGIC, decoded, encoded
from tracesvc.files.side_by_side import MOST_PIECE_BYTES, Team, helpers_here
from tracesvc.files.tables import FileColumn
from tracesvc.line_bytes import records_line

COLUMNS = [
    FileColumn("NAME", "string"),
    FileColumn("N", "integer"),
    FileColumn("AT", "timestamp"),
    FileColumn("QTY", "number", 38, 10),
    FileColumn("RATE", "number"),
    FileColumn("DONE", "boolean"),
]


def record(number: int) -> dict[str, Any]:
    """Each column has a null in some record."""
    values = {
        "NAME": f"批號 {number % 7}",
        "N": number,
        "AT": f"2025-{1 + number % 12:02}-{1 + number % 28:02}T07:21:{number % 60:02}",
        "QTY": number * 2.5,
        "RATE": number / 3,
        "DONE": number % 2 == 0,
    }
    return {
        name: None if number % (11 + place) == 0 else value
        for place, (name, value) in enumerate(values.items())
    }


def written(counts: Sequence[int], helpers: int = helpers_here()) -> bytes:
    """A Parquet file of lines with so many records."""
    lines: list[FedLine] = []
    number = 0
    for count in counts:
        rows = [record(number + row) for row in range(count)]
        lines.append(FedLine(records_line("d", len(lines), number, count, orjson.dumps(rows)), count))
        number += count
    domain = FileDomain(name="d", columns=COLUMNS, facts={"tracesvc.records": str(number)})
    sink = io.BytesIO()
    with Team(helpers) as team:
        write_domain(sink, FileOrder(format="parquet", stem="x", domains=[domain]), domain, lines, team)
    return sink.getvalue()


def footer(file: bytes) -> bytes:
    length = int.from_bytes(file[-8:-4], "little")
    return file[-8 - length : -8]


@pytest.mark.parametrize("helpers", [0, helpers_here()])
def test_every_reader_finds_the_records_of_all_row_groups_in_order(helpers: int, tmp_path: Path) -> None:
    counts = [5, ROW_GROUP_ROWS, 0, 30_000, 30_000, 30_000, 1]
    path = tmp_path / "out.parquet"
    path.write_bytes(written(counts, helpers))
    assert [group.num_rows for group in groups(path)] == [5 + ROW_GROUP_ROWS, 90_000, 1]
    expected = [record(number) for number in range(sum(counts))]
    polars = pl.read_parquet(path)
    assert polars["N"].to_list() == [row["N"] for row in expected]
    assert polars["NAME"].to_list() == [row["NAME"] for row in expected]
    assert polars["RATE"].to_list() == [row["RATE"] for row in expected]
    assert selected(f"SELECT QTY::DOUBLE, DONE FROM '{path}'") == [
        (row["QTY"], row["DONE"]) for row in expected
    ]
    assert pl.DataFrame(pq.read_table(path)).equals(polars)


def selected(query: str) -> list[Any]:
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def groups(path: Path) -> list[Any]:
    metadata = pq.read_metadata(path)
    return [metadata.row_group(index) for index in range(metadata.num_row_groups)]


def test_statistics_and_facts_of_each_row_group_are_its_own(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    path.write_bytes(written([ROW_GROUP_ROWS] * 2))
    numbers = [group.column(1).statistics for group in groups(path)]
    assert [(found.min, found.max) for found in numbers] == [
        (1, ROW_GROUP_ROWS - 1),
        (ROW_GROUP_ROWS, 2 * ROW_GROUP_ROWS - 1),
    ]
    assert pq.read_metadata(path).num_rows == 2 * ROW_GROUP_ROWS
    assert pq.read_metadata(path).metadata[b"tracesvc.records"] == str(2 * ROW_GROUP_ROWS).encode()
    last = 2 * ROW_GROUP_ROWS - 1
    assert selected(f"SELECT N FROM '{path}' WHERE N > {last - 2}") == [(last - 1,), (last,)]


def test_a_file_of_no_lines_has_its_columns() -> None:
    assert pl.read_parquet(io.BytesIO(written([]))).columns == [column.name for column in COLUMNS]


def test_lines_of_many_bytes_are_a_row_group_however_few_their_records(tmp_path: Path) -> None:
    long = FileColumn("TEXT", "string")
    rows = orjson.dumps([{"TEXT": "x" * (MOST_PIECE_BYTES // 2)}])
    lines = [FedLine(records_line("d", number, number, 1, rows), 1) for number in range(5)]
    domain = FileDomain(name="d", columns=[long])
    path = tmp_path / "out.parquet"
    with path.open("wb") as sink, Team(helpers_here()) as team:
        write_domain(sink, FileOrder(format="parquet", stem="x", domains=[domain]), domain, lines, team)
    assert [group.num_rows for group in groups(path)] == [2, 2, 1]


def test_metadata_goes_through_unchanged() -> None:
    """What `parquet.thrift` has beyond the fields that are named, for any kind of column."""
    file = written([5000])
    assert file.startswith(MAGIC)
    assert encoded(decoded(footer(file))) == footer(file)
