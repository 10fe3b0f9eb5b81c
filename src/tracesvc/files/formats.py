"""Two parts a format: what makes a piece of each line, and what puts the pieces together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from io import BytesIO
from itertools import chain
from typing import IO, Final, NamedTuple

from arro3 import compute
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import read_ipc_stream, write_csv, write_ipc, write_ipc_stream, write_parquet

from tracesvc.files.feed import FedLine, rows_in, unpacked
from tracesvc.files.order import FileDomain, FileFormat, FileOrder
from tracesvc.files.side_by_side import Make, Team
from tracesvc.files.tables import arrow_schema, plain_records, record_batch, record_lines

BOM: Final = b"\xef\xbb\xbf"
TIME: Final = "%Y-%m-%d %H:%M:%S"  # spreadsheets take the form with a T for text
ROW_GROUP_ROWS: Final = 65_536
"""A row group ends with the line that makes it so many, and is held until then."""

WRITE_BATCH_ROWS: Final = 8192
"""Rows that the Parquet writer encodes at once; its default of 1,024 takes 7 % longer."""

# What makes a spreadsheet take text for a formula (OWASP, CSV Injection), the wide forms included. It can
# only stand at a value's beginning: inside a JSON string the quote before it would be escaped.
_FORMULA: Final = re.compile(rb'":"(?=[=+\-@]|\\[trn]|\xef\xbc[\x9d\x8b\x8d\xa0])')
_LABEL: Final = re.compile(rb"^\{", re.MULTILINE)

_UNBOUNDED: Final = 1 << 30
_FRACTIONS: Final[tuple[Callable[[DataType], object], ...]] = (DataType.is_decimal128, DataType.is_floating)

Pieces = Iterable[bytes]


def write_domain(
    sink: IO[bytes], order: FileOrder, domain: FileDomain, lines: Iterable[FedLine], team: Team
) -> None:
    """Write one domain in the order's format from its `records` lines; `team` makes pieces of them."""
    form = _FORMS[order.format]
    form.write(sink, order, domain, team.pieces(form.make(order, domain), lines, records=form.records))


def _text_maker(order: FileOrder, domain: FileDomain) -> Make:
    label = f'{{"domain":"{domain.name}",'.encode()
    lines = plain_records if domain.older else record_lines

    def text(line: bytes) -> bytes:
        rows = lines(rows_in(line))
        return _LABEL.sub(label, rows) if order.labelled else rows

    return lambda share: b"".join(map(text, share))


def _write_text(sink: IO[bytes], _order: FileOrder, _domain: FileDomain, pieces: Pieces) -> None:
    for piece in pieces:
        sink.write(piece)


def _csv_maker(order: FileOrder, domain: FileDomain) -> Make:
    schema = arrow_schema(domain.columns)

    def make(share: Iterator[bytes]) -> bytes:
        piece = BytesIO()
        for line in map(unpacked, share):
            plain = _FORMULA.sub(b'":"\'', line) if order.escape_formulas else line
            batch = _with_short_numbers(record_batch(plain, schema))
            write_csv(batch, piece, header=False, timestamp_format=TIME)
        return piece.getvalue()

    return make


def _write_csv(sink: IO[bytes], order: FileOrder, domain: FileDomain, pieces: Pieces) -> None:
    if order.bom:
        sink.write(BOM)
    sink.write(",".join(_quoted(column.name) for column in domain.columns).encode() + b"\n")
    _write_text(sink, order, domain, pieces)


def _batch_maker(_order: FileOrder, domain: FileDomain) -> Make:
    """Batches travel in Arrow's stream form."""
    schema = arrow_schema(domain.columns)

    def make(share: Iterator[bytes]) -> bytes:
        piece = BytesIO()
        write_ipc_stream(_read(share, schema), piece, compression=None)
        return piece.getvalue()

    return make


def _read(share: Iterator[bytes], schema: Schema) -> RecordBatchReader:
    """Batch by batch."""
    return RecordBatchReader.from_batches(schema, (record_batch(unpacked(line), schema) for line in share))


def _row_group_maker(_order: FileOrder, domain: FileDomain) -> Make:
    """A whole file of one row group.

    Times as differences: they hardly repeat, so that a dictionary of them costs more than it spares. 400,000
    rows of 16 columns with two times: 6.9 MB instead of 9.4, in a fourth less time.
    """
    schema = arrow_schema(domain.columns)
    times = [(column.name,) for column in domain.columns if column.type == "timestamp"]

    def make(share: Iterator[bytes]) -> bytes:
        piece = BytesIO()
        write_parquet(
            _read(share, schema),
            piece,
            compression="zstd(1)",  # 1.1 M rows of 16 columns: 7.7 MB in 1.2 s; snappy 1.0 s for a fifth more
            key_value_metadata=domain.facts,
            max_row_group_size=_UNBOUNDED,
            write_batch_size=WRITE_BATCH_ROWS,
            column_dictionary_enabled=dict.fromkeys(times, False),
            column_encoding=dict.fromkeys(times, "delta_binary_packed"),
        )
        return piece.getvalue()

    return make


def _write_parquet(sink: IO[bytes], order: FileOrder, domain: FileDomain, pieces: Pieces) -> None:
    from tracesvc.files.row_groups import RowGroups  # noqa: PLC0415 - brings thrift, which no other format needs

    groups, rest = RowGroups(), iter(pieces)
    first = next(rest, None) or _row_group_maker(order, domain)(iter(()))  # no lines: the columns alone
    for piece in chain([first], rest):
        sink.write(groups.add(piece))
    sink.write(groups.end())


def _batches(pieces: Pieces, schema: Schema) -> Iterator[RecordBatch]:
    for piece in pieces:
        for batch in read_ipc_stream(BytesIO(piece)):
            yield batch.with_schema(schema)


def _write_arrow(sink: IO[bytes], _order: FileOrder, domain: FileDomain, pieces: Pieces) -> None:
    schema = arrow_schema(domain.columns, domain.facts)
    write_ipc(RecordBatchReader.from_batches(schema, _batches(pieces, schema)), sink, compression="zstd")


class _Form(NamedTuple):
    """`records`: how many a piece has at least."""

    make: Callable[[FileOrder, FileDomain], Make]
    write: Callable[[IO[bytes], FileOrder, FileDomain, Pieces], None]
    records: int = 0


_FORMS: Final[dict[FileFormat, _Form]] = {
    "csv": _Form(_csv_maker, _write_csv),
    "ndjson": _Form(_text_maker, _write_text),
    "parquet": _Form(_row_group_maker, _write_parquet, records=ROW_GROUP_ROWS),
    "arrow": _Form(_batch_maker, _write_arrow),
}


def _quoted(name: str) -> str:
    return name if name.replace("_", "").isalnum() else '"' + name.replace('"', '""') + '"'


def _with_short_numbers(batch: RecordBatch) -> RecordBatch:
    """Numbers in the contract's form, `43200` and `1.5`, where the encoder would write `43200.0000000000`."""
    fields: list[Field] = []
    columns: list[Array] = []
    for index in range(batch.num_columns):
        field, column = batch.field(index), batch.column(index)
        if any(is_number(field.type) for is_number in _FRACTIONS):
            column = Array(
                _short(list(compute.cast(column, DataType.string()).to_pylist())), DataType.string()
            )
            field = Field(field.name, DataType.string(), nullable=True)
        fields.append(field)
        columns.append(column)
    return RecordBatch.from_arrays(columns, schema=Schema(fields))


def _short(texts: list[str | None]) -> list[str | None]:
    """Quantities repeat, so that each text is shaped once."""
    shaped = {text: None if text is None else _shortest(text) for text in set(texts)}
    return [shaped[text] for text in texts]


def _shortest(text: str) -> str:
    if "e" in text:
        text = format(Decimal(text), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
