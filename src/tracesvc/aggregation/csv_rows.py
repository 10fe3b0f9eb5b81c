"""Detail rows as CSV (RFC 4180) in UTF-8, with the byte order mark that spreadsheets need."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Final

from tracesvc.aggregation.analysis import Analysis
from tracesvc.aggregation.detail import DetailPage
from tracesvc.aggregation.detail_columns import COLUMNS
from tracesvc.aggregation.filters import Filters

MARK: Final = "\ufeff"


def csv_parts(analysis: Analysis, filters: Filters, ask: DetailPage) -> Iterator[bytes]:
    """Detail rows in their order, a header before them."""
    columns = COLUMNS[analysis.scope.direction]
    head = io.StringIO()
    csv.writer(head).writerow(columns)
    yield (MARK + head.getvalue()).encode()
    for rows in analysis.detail_rows(filters, ask):
        text = io.StringIO()
        csv.DictWriter(text, columns).writerows(rows)
        yield text.getvalue().encode()
