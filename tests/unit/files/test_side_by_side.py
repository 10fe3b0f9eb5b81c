"""The process that writes a file, and the helpers that it forks: order, faults, nothing left behind."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from collections.abc import Iterable

import orjson
import polars as pl
import psutil
import pytest

from tests.parts import wait_until
from tracesvc.files.order import FileDomain, FileOrder
from tracesvc.files.side_by_side import helpers_here
from tracesvc.files.tables import FileColumn
from tracesvc.files.writer import FileNotWritten, FileWriter
from tracesvc.line_bytes import count_of, records_line

LINES = 40
needs_helpers = pytest.mark.skipif(not helpers_here(), reason="one core: files are written without helpers")


def order(file_format: str) -> FileOrder:
    columns = [FileColumn("N", "integer")]
    return FileOrder.from_json(
        orjson.dumps({"format": file_format, "stem": "x", "domains": [FileDomain(name="d", columns=columns)]})
    )


def line(number: int) -> bytes:
    return records_line("d", number, number, 1, b'[{"N":%d}]' % number)


def numbers(data: bytes, file_format: str) -> list[int]:
    """The column N, read by polars."""
    source = io.BytesIO(data)
    match file_format:
        case "ndjson":
            return [orjson.loads(row)["N"] for row in data.splitlines()]
        case "csv":
            return pl.read_csv(source, schema={"N": pl.Int64})["N"].to_list()
        case "parquet":
            return pl.read_parquet(source)["N"].to_list()
        case _:
            return pl.read_ipc(source)["N"].to_list()


def helpers() -> list[psutil.Process]:
    """Those of the only writer that runs."""
    writers = [child for child in psutil.Process().children() if "tracesvc.files" in child.cmdline()]
    return [helper for writer in writers for helper in writer.children()]


async def send(writer: FileWriter, lines: Iterable[bytes]) -> None:
    for payload in lines:
        await writer.send(payload, count_of(payload))
    await writer.end_domain()
    writer.finish()


@pytest.mark.parametrize("file_format", ["ndjson", "csv", "parquet", "arrow"])
@pytest.mark.parametrize("count", [0, 1, 2, LINES])
async def test_lines_without_records_add_nothing(file_format: str, count: int) -> None:
    """Neither alone, which is written without helpers, nor between others."""
    writer = await FileWriter.start(order(file_format))
    empty = records_line("d", 0, 0, 0, b"[]")
    lines = [empty, *map(line, range(count)), empty]
    sending = asyncio.create_task(send(writer, lines))
    data = b"".join([part async for part in writer.parts()])
    await sending
    await writer.wait()
    assert numbers(data, file_format) == list(range(count))


async def test_a_domain_without_lines_is_an_empty_table() -> None:
    writer = await FileWriter.start(order("parquet"))
    await send(writer, [])
    data = b"".join([part async for part in writer.parts()])
    await writer.wait()
    assert numbers(data, "parquet") == []


async def test_pieces_keep_the_order_of_the_lines() -> None:
    writer = await FileWriter.start(order("ndjson"))
    sending = asyncio.create_task(send(writer, map(line, range(LINES))))
    text = b"".join([part async for part in writer.parts()])
    await sending
    await writer.wait()
    assert [orjson.loads(row)["N"] for row in text.splitlines()] == list(range(LINES))


async def test_a_line_that_cannot_be_read_ends_the_file_with_its_reason() -> None:
    writer = await FileWriter.start(order("parquet"))
    broken = records_line("d", 5, 5, 1, b'[{"N":"five"}]')
    sending = asyncio.create_task(send(writer, [*map(line, range(5)), broken, *map(line, range(6, LINES))]))
    _ = [part async for part in writer.parts()]
    with pytest.raises(FileNotWritten, match="five"):
        await writer.wait()
    await asyncio.gather(sending, return_exceptions=True)


@needs_helpers
async def test_a_writer_that_is_killed_leaves_no_helper() -> None:
    writer = await FileWriter.start(order("csv"))
    for payload in map(line, range(4)):
        await writer.send(payload, count_of(payload))
    await wait_until(lambda: len(helpers()) == helpers_here())
    left = helpers()
    await writer.kill()
    await wait_until(lambda: not any(helper.is_running() for helper in left))


@needs_helpers
async def test_a_helper_that_dies_is_told() -> None:
    writer = await FileWriter.start(order("csv"))
    for payload in map(line, range(4)):
        await writer.send(payload, count_of(payload))
    await wait_until(lambda: len(helpers()) == helpers_here())
    for helper in helpers():
        helper.kill()
    await asyncio.gather(send(writer, map(line, range(4, LINES))), return_exceptions=True)
    _ = [part async for part in writer.parts()]
    with pytest.raises(FileNotWritten, match="helps to write"):
        await writer.wait()


def test_the_process_starts_without_what_only_services_need() -> None:
    absent = "('pydantic', 'xlsxwriter')"
    script = f"import sys, tracesvc.files.__main__; print([name for name in {absent} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", script]).strip() == b"[]"
