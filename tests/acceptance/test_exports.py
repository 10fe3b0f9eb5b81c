"""A result as files: the stream's records, of declared types, under names that people understand."""

from __future__ import annotations

import io
import json
import re
import secrets
import zipfile
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import httpx
import openpyxl
import pandas as pd
import polars as pl
import pyarrow.feather
import pyarrow.parquet
import pytest
import redis.asyncio

from tests.asking import ASYNC, EVENTS, question
from tests.streams import ALL_DOMAINS, Trace, exact, held_job, path_of
from tests.support import Plant, Stack, wait_until
from tests.wire import raw_get
from tracesvc.client import RawRecords, TraceClient
from tracesvc.files.order import XLSX_MOST_RECORDS
from tracesvc.files.tables import OWN_READER, FileColumn, arrow_schema
from tracesvc.line_bytes import DATA_KEY

BOM: Final = b"\xef\xbb\xbf"
NAME: Final = re.compile(r"trace_([a-z0-9_-]+?)_\d{4}-\d\d-\d\d_\d{4}_[A-Za-z0-9]{8}\.(\w+)")


async def export(
    api: httpx.AsyncClient, job_id: str, domain: str | list[str], file_format: str, **params: Any
) -> httpx.Response:
    asked = {"domain": domain, "format": file_format, **params}
    answer = await api.get(path_of(job_id, "export"), params=asked)
    assert answer.status_code == httpx.codes.OK, answer.text[:1000]
    return answer


def file_name(answer: httpx.Response) -> str:
    found = re.search(r'filename="([^"]+)"', answer.headers["content-disposition"])
    assert found is not None
    return found[1]


def typed(records: list[dict[str, Any]], columns: list[tuple[str, str]]) -> list[tuple[Any, ...]]:
    """The stream's records with values of the declared types."""
    shapes: dict[str, Callable[[Any], Any]] = {
        "timestamp": datetime.fromisoformat,
        "number": Decimal,
        "integer": int,
        "boolean": bool,
        "string": str,
    }
    return [
        tuple(None if record[name] is None else shapes[kind](record[name]) for name, kind in columns)
        for record in records
    ]


@pytest.mark.parametrize("domain", ALL_DOMAINS)
async def test_parquet_reads_back_equal_by_duckdb_polars_and_pandas(
    api: httpx.AsyncClient,
    whole: Trace,
    columns: dict[str, list[tuple[str, str]]],
    domain: str,
    tmp_path: Path,
) -> None:
    answer = await export(api, whole.job_id, domain, "parquet")
    path = tmp_path / file_name(answer)
    path.write_bytes(answer.content)
    wanted = typed(whole.seen.domains[domain].records, columns[domain])
    assert duckdb.read_parquet(str(path)).fetchall() == wanted
    assert pl.read_parquet(path).rows() == wanted
    frame = pd.read_parquet(path)
    assert list(frame.columns) == [name for name, _ in columns[domain]]
    assert frame.astype(object).where(frame.notna(), None).to_numpy().tolist() == [
        list(row) for row in wanted
    ]


@pytest.mark.skipif(
    OWN_READER is None, reason="no C compiler when tracesvc was installed: arro3 reads all lines"
)
async def test_lines_of_a_job_are_read_by_the_module(api: httpx.AsyncClient, whole: Trace) -> None:
    """Every line, whatever stands in its texts; else it is slower without notice."""
    assert OWN_READER is not None
    catalogue = (await api.get("/api/trace/catalogue")).json()["domains"]
    left: list[bytes] = []
    read = 0
    async with TraceClient(str(api.base_url)) as client:
        async for line in client.follow(whole.job_id).raw():
            if isinstance(line, RawRecords):
                declared = map(FileColumn.declared, catalogue[line.domain]["columns"])
                schema = arrow_schema(list(declared)).__arrow_c_schema__()
                begins = line.line.index(DATA_KEY) + len(DATA_KEY)
                if OWN_READER(schema, line.line, begins, line.count) is None:
                    left.append(line.line)
                read += line.count
    assert left == []
    assert read == sum(len(domain.records) for domain in whole.seen.domains.values())


async def test_types_are_the_declared_ones(api: httpx.AsyncClient, whole: Trace, tmp_path: Path) -> None:
    path = tmp_path / "holds.parquet"
    path.write_bytes((await export(api, whole.job_id, "holds", "parquet")).content)
    schema = pyarrow.parquet.read_schema(path)
    assert [str(schema.field(name).type) for name in ("CONTAINERID", "HOLDTXNDATE", "HOLD_HOURS")] == [
        "string",
        "timestamp[us]",
        "decimal128(12, 2)",
    ]


async def test_arrow_reads_back_equal(
    api: httpx.AsyncClient, whole: Trace, columns: dict[str, list[tuple[str, str]]]
) -> None:
    answer = await export(api, whole.job_id, "rejects", "arrow")
    frame = pl.read_ipc(io.BytesIO(answer.content))
    assert frame.rows() == typed(whole.seen.domains["rejects"].records, columns["rejects"])
    table = pyarrow.feather.read_table(io.BytesIO(answer.content))
    assert table.num_rows == frame.height


async def test_ndjson_is_the_records_a_line_each(api: httpx.AsyncClient, whole: Trace) -> None:
    answer = await export(api, whole.job_id, "materials", "ndjson")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [exact(line) for line in answer.content.splitlines()] == whole.seen.domains["materials"].records


async def test_csv_opens_with_the_right_text_dates_and_numbers(
    api: httpx.AsyncClient, whole: Trace, columns: dict[str, list[tuple[str, str]]], tmp_path: Path
) -> None:
    answer = await export(api, whole.job_id, "history", "csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(BOM)
    path = tmp_path / "history.csv"
    path.write_bytes(answer.content)
    records = whole.seen.domains["history"].records
    kinds = {"timestamp": "TIMESTAMP", "number": "DECIMAL(38,10)", "integer": "BIGINT", "string": "VARCHAR"}
    declared = {name: kinds[kind] for name, kind in columns["history"]}
    found = duckdb.read_csv(str(path), dtype=declared, header=True, timestamp_format="%Y-%m-%d %H:%M:%S")
    assert found.fetchall() == typed(records, columns["history"])
    assert "切割" in answer.text
    first = next(line for line in answer.text.splitlines()[1:] if ",43200," in line or ",25000," in line)
    assert re.search(r",\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,", first)
    plain = await export(api, whole.job_id, "history", "csv", bom=False)
    assert BOM + plain.content == answer.content


async def test_excel_opens_with_text_dates_and_numbers(
    api: httpx.AsyncClient, whole: Trace, columns: dict[str, list[tuple[str, str]]]
) -> None:
    answer = await export(api, whole.job_id, ["holds", "jobs"], "xlsx")
    assert file_name(answer).endswith(".xlsx")
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    assert book.sheetnames == ["holds", "jobs"]
    assert book.custom_doc_props["holds.tracesvc.complete"].value == "true"  # type: ignore[attr-defined]
    for domain in book.sheetnames:
        rows = list(book[domain].iter_rows(values_only=True))
        assert rows[0] == tuple(name for name, _ in columns[domain])
        wanted = typed(whole.seen.domains[domain].records, columns[domain])
        shown = [tuple(float(v) if isinstance(v, Decimal) else v for v in row) for row in wanted]
        assert [tuple(float(v) if isinstance(v, int) else v for v in row) for row in rows[1:]] == shown


async def test_several_domains_come_as_a_zip_of_one_file_each(
    api: httpx.AsyncClient, whole: Trace, columns: dict[str, list[tuple[str, str]]]
) -> None:
    asked = ["rejects", "history", "holds"]
    answer = await export(api, whole.job_id, asked, "parquet")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert [
            name.endswith(f"_{domain}.parquet")
            for domain, name in zip(sorted(asked, key=list(ALL_DOMAINS).index), names, strict=True)
        ] == [True] * 3
        for domain, name in zip(sorted(asked, key=list(ALL_DOMAINS).index), names, strict=True):
            rows = pl.read_parquet(archive.read(name)).rows()
            assert rows == typed(whole.seen.domains[domain].records, columns[domain])


async def test_without_domain_all_of_the_job_come(api: httpx.AsyncClient, whole: Trace) -> None:
    answer = await api.get(path_of(whole.job_id, "export"))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert len(archive.namelist()) == len(ALL_DOMAINS)
        assert all(name.endswith(".csv") for name in archive.namelist())


@pytest.mark.parametrize("file_format", ["csv", "ndjson", "parquet", "arrow", "xlsx"])
async def test_the_name_says_what_it_is(api: httpx.AsyncClient, whole: Trace, file_format: str) -> None:
    found = NAME.fullmatch(file_name(await export(api, whole.job_id, "jobs", file_format)))
    assert found is not None
    assert found.groups() == ("jobs", file_format)


async def test_the_file_says_how_many_and_whether_these_are_all(
    api: httpx.AsyncClient, whole: Trace, small_plant: Plant
) -> None:
    seen = whole.seen.domains["rejects"]
    answer = await export(api, whole.job_id, "rejects", "parquet")
    metadata = pyarrow.parquet.read_metadata(io.BytesIO(answer.content)).metadata
    wanted = {
        b"tracesvc.job_id": whole.job_id.encode(),
        b"tracesvc.records": str(seen.count).encode(),
        b"tracesvc.complete": b"true",
        b"tracesvc.containers.asked": str(len(small_plant.container_ids)).encode(),
    }
    assert wanted.items() <= metadata.items()
    arrow = await export(api, whole.job_id, "rejects", "arrow")
    assert wanted.items() <= pyarrow.feather.read_table(io.BytesIO(arrow.content)).schema.metadata.items()
    assert (answer.headers["x-trace-records"], answer.headers["x-trace-complete"]) == (
        str(seen.count),
        "true",
    )


async def test_a_running_job_is_exported_only_when_part_of_it_will_do(
    slow_stack: Stack, medium_plant: Plant
) -> None:
    async with held_job(slow_stack, medium_plant.container_ids) as job_id, slow_stack.client() as api:
        refused = await api.get(path_of(job_id, "export"), params={"domain": "history"})
        assert (refused.status_code, refused.json()["code"]) == (409, "JOB_NOT_COMPLETE")
        assert "partial=true" in refused.json()["detail"]
        page = (await api.get(path_of(job_id, "result"), params={"domain": "history", "limit": 1})).json()
        answer = await export(api, job_id, "history", "parquet", partial=True)
        assert pl.read_parquet(answer.content).height == page["total"] > 0
        assert answer.headers["x-trace-complete"] == "false"
        assert file_name(answer).endswith("_partial.parquet")


async def test_a_client_that_leaves_frees_the_process_that_wrote(
    stacks: Callable[..., Stack], small_plant: Plant
) -> None:
    stack = stacks(small_plant, workers=1, trace_export_max_concurrent=1)
    async with stack.client() as api:
        job_id = (await api.post(EVENTS, json=question(small_plant.container_ids), headers=ASYNC)).json()[
            "job_id"
        ]
        await wait_until(lambda: _finished(api, job_id))
        path = path_of(job_id, "export")
        async with raw_get(f"{stack.url}{path}?domain=history&format=ndjson") as answer:
            await answer.read_chunk()
            busy = await api.get(path, params={"domain": "history"})
            assert (busy.status_code, busy.json()["code"]) == (429, "QUEUE_FULL")
            assert busy.headers["retry-after"]

        async def is_free() -> bool:
            return (await api.get(path, params={"domain": "jobs"})).status_code == httpx.codes.OK

        await wait_until(is_free, message="the slot is given back")


async def _finished(api: httpx.AsyncClient, job_id: str) -> bool:
    return bool((await api.get(f"/api/trace/job/{job_id}")).json()["status"] == "finished")


async def test_a_result_of_the_older_layout_is_exported_too(
    api: httpx.AsyncClient, stack: Stack, store: redis.asyncio.Redis, whole: Trace
) -> None:
    """Whatever the order of its records' members, and with text that looks like a formula."""
    records = [
        json.loads(line)
        for line in (await export(api, whole.job_id, "jobs", "ndjson")).content.splitlines()[:5]
    ]
    records[1] = dict(reversed(records[1].items()))
    records[2]["JOBORDERNAME"] = '=HYPERLINK("x")'
    records[3]["JOBORDERNAME"] = "-1+1"
    body = {"stage": "events", "results": {"jobs": {"data": records, "count": 5, "total": 5}}}
    job_id = f"trace-evt-{secrets.token_hex(16)}"
    await store.set(stack.key(job_id, "result"), json.dumps(body).encode(), ex=600)
    frame = pl.read_parquet((await export(api, job_id, "jobs", "parquet")).content)
    assert frame["JOBID"].to_list() == [record["JOBID"] for record in records]
    csv = (await export(api, job_id, "jobs", "csv")).content
    shown = pd.read_csv(io.BytesIO(csv), keep_default_na=False)["JOBORDERNAME"].tolist()
    assert shown[2:4] == ['\'=HYPERLINK("x")', "'-1+1"]
    raw = (await export(api, job_id, "jobs", "csv", escape_formulas=False)).content
    assert pd.read_csv(io.BytesIO(raw))["JOBORDERNAME"].tolist()[2:4] == ['=HYPERLINK("x")', "-1+1"]
    lines = (await export(api, job_id, "jobs", "ndjson")).content.splitlines()
    assert [json.loads(line) for line in lines] == records
    await store.delete(stack.key(job_id, "result"))


async def test_a_sheet_takes_no_more_records_than_it_has_rows(
    api: httpx.AsyncClient, stack: Stack, store: redis.asyncio.Redis, whole: Trace
) -> None:
    """The count decides before anything is written: one entry of the index claims more than there are."""
    copy = f"trace-evt-{secrets.token_hex(16)}"
    for rest in ("meta", "index:jobs", "result:jobs:0"):
        await store.copy(stack.key(whole.job_id, rest), stack.key(copy, rest))
        await store.expire(stack.key(copy, rest), 600)
    entry = f"0:0:{XLSX_MOST_RECORDS + 1}:1:a:b"
    await store.delete(stack.key(copy, "index:jobs"))
    await store.zadd(stack.key(copy, "index:jobs"), {entry: 0})
    await store.expire(stack.key(copy, "index:jobs"), 600)
    answer = await api.get(path_of(copy, "export"), params={"domain": "jobs", "format": "xlsx"})
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_PARAMS")
    assert str(XLSX_MOST_RECORDS) in answer.json()["detail"]


async def test_what_is_damaged_never_reads_as_a_whole_file(
    api: httpx.AsyncClient, stack: Stack, store: redis.asyncio.Redis, small_plant: Plant
) -> None:
    answer = await api.post(
        EVENTS, json=question(small_plant.container_ids[:900], domains=["history"]), headers=ASYNC
    )
    job_id = answer.json()["job_id"]
    await wait_until(lambda: _finished(api, job_id))
    await store.setrange(stack.key(job_id, "result:history:3"), 20, b"damage")
    with pytest.raises(httpx.RemoteProtocolError):
        await api.get(path_of(job_id, "export"), params={"domain": "history", "format": "ndjson"})
    await store.delete(stack.key(job_id, "result:history:5"))
    gone = await api.get(path_of(job_id, "export"), params={"domain": "history", "format": "ndjson"})
    assert (gone.status_code, gone.json()["code"]) == (500, "CHUNK_MISSING")


@pytest.mark.parametrize("wrong", [{"format": "pdf"}, {"bom": "perhaps"}, {"partial": "2"}])
async def test_what_is_no_choice_is_refused(
    api: httpx.AsyncClient, whole: Trace, wrong: dict[str, str]
) -> None:
    answer = await api.get(path_of(whole.job_id, "export"), params={"domain": "jobs", **wrong})
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_PARAMS")


async def test_a_domain_that_was_not_asked_is_not_found(api: httpx.AsyncClient, whole: Trace) -> None:
    answer = await api.get(path_of(whole.job_id, "export"), params={"domain": ["jobs", "weather"]})
    assert (answer.status_code, answer.json()["code"]) == (404, "DOMAIN_NOT_IN_JOB")
