"""Excel workbooks: one sheet a domain, written row by row (XlsxWriter's constant memory)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import IO, Any, Final

import orjson
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from tracesvc.files.order import XLSX_MOST_RECORDS, FileDomain, FileOrder, TooManyRecords
from tracesvc.files.tables import FileColumn

DATE_FORMAT: Final = "yyyy-mm-dd hh:mm:ss"
FIRST_YEAR: Final = 1900  # Excel knows no time before it; such stay text
SHEET_NAME_CHARACTERS: Final = 31
WIDTHS: Final = {"timestamp": 19, "string": 18, "number": 11, "integer": 9, "boolean": 8}


def write_workbook(
    sink: IO[bytes], order: FileOrder, domains: Iterable[tuple[FileDomain, Iterator[bytes]]]
) -> None:
    """Write all domains. Rows wait in temporary files until the last is there: the zip is made then.

    Raises `TooManyRecords` at row 1,048,576 of a domain.
    """
    options = {
        "constant_memory": True,
        "default_date_format": DATE_FORMAT,
        "strings_to_formulas": False,
        "strings_to_numbers": False,
        "strings_to_urls": False,
    }
    with xlsxwriter.Workbook(sink, options) as workbook:
        workbook.set_properties({"title": order.stem, "author": "tracesvc"})
        for domain, rows in domains:
            for name, value in domain.facts.items():
                workbook.set_custom_property(f"{domain.name}.{name}", value, "text")
            sheet = workbook.add_worksheet(domain.name[:SHEET_NAME_CHARACTERS])
            _write_sheet(sheet, domain, rows, workbook.add_format({"bold": True}))


def _write_sheet(sheet: Worksheet, domain: FileDomain, rows: Iterator[bytes], bold: Format) -> None:
    names = [column.name for column in domain.columns]
    for index, column in enumerate(domain.columns):
        sheet.set_column(index, index, WIDTHS[column.type])
    sheet.freeze_panes(1, 0)
    sheet.write_row(0, 0, names, bold)
    at = 0
    for array in rows:
        for record in orjson.loads(array):
            at += 1
            if at > XLSX_MOST_RECORDS:
                raise TooManyRecords(domain.name)
            _write_record(sheet, at, domain.columns, record)
    if names:
        sheet.autofilter(0, 0, at, len(names) - 1)


def _write_record(sheet: Worksheet, at: int, columns: list[FileColumn], record: dict[str, Any]) -> None:
    for index, column in enumerate(columns):
        value = record.get(column.name)
        if value is None:
            continue
        if isinstance(value, bool):
            sheet.write_boolean(at, index, value)
        elif isinstance(value, int | float):
            sheet.write_number(at, index, value)
        elif column.type == "timestamp" and int(value[:4]) >= FIRST_YEAR:
            sheet.write_datetime(at, index, datetime.fromisoformat(value))
        else:
            sheet.write_string(at, index, str(value))
