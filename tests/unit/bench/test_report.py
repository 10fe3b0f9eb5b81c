"""The bench's table says what was measured and whether it is enough."""

from __future__ import annotations

import pytest
from rich.console import Console

from bench.measure import page_offsets
from bench.report import Report, Row, rate, seconds, shown


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("a", "", "", 8.0, least=8), "yes"),
        (Row("a", "", "", 7.99, least=8), "NO"),
        (Row("a", "", "", 1.15, most=1.15), "yes"),
        (Row("a", "", "", 1.16, most=1.15), "NO"),
        (Row("a", "", "", 0.3), "-"),
    ],
)
def test_a_row_is_met_up_to_and_with_its_bound(row: Row, met: str) -> None:
    assert row.cells()[-1] == met


def test_a_bound_stands_in_the_table_with_its_unit() -> None:
    assert Row("a", "", "", 0.1, unit="s", most=0.3).cells()[3:5] == ("0.10 s", "<= 0.3 s")
    assert Row("a", "", "", 20, least=8).cells()[3:5] == ("20.0 x", ">= 8 x")


def test_numbers_are_rounded_to_what_a_reader_takes_in() -> None:
    assert [shown(value) for value in (1234.5, 99.94, 1.234)] == ["1,234", "99.9", "1.23"]
    assert [seconds(value) for value in (12.345, 0.0123)] == ["12.35 s", "12.3 ms"]
    assert rate(1_000_000, 2) == "500,000/s"


def test_the_page_holds_every_row_and_every_note() -> None:
    rows = [Row("pages", "1 ms", "naive 1 s", 1000, least=100), Row("peak", "90 MB", "80 MB", 2, most=1.15)]
    page = Report(114_000, 1_200_000, "Valkey 9", rows, ["a note"]).markdown()
    assert "| pages | 1 ms | naive 1 s | 1,000 x | >= 100 x | yes |" in page
    assert "| peak | 90 MB | 80 MB | 2.00 x | <= 1.15 x | NO |" in page
    assert "- a note" in page
    assert "1,200,000 records" in page


def test_the_table_prints_on_a_narrow_terminal() -> None:
    console = Console(width=60, record=True)
    Report(10, 100, "Valkey 9", [Row("pages", "1 ms", "1 s", 1000, least=100)], []).show(console)
    assert "1,000 x" in console.export_text()


def test_pages_are_read_at_the_start_the_middle_and_the_end() -> None:
    assert page_offsets(20_000) == [0, 10_000, 15_000]
