"""Files and clients, measured from outside: exports, TraceClient's faces, `tracesvc trace -o`.

    python -m bench.clients [--containers N]

prints these rows alone; `make bench` has them too.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import click
import duckdb
from arro3.core import RecordBatchReader
from rich.console import Console

from bench.processes import peak_bytes
from bench.report import Row, megabytes, rate, seconds
from bench.sides import DOMAIN, Ours, ours, redis_server
from bench.wire import Refused, opened
from tracesvc.client import RawRecords, TraceClient
from tracesvc.demo.default_plant import kept_plant, plant_url
from tracesvc.demo.plant import plant_container_ids
from tracesvc.lines import RecordsLine
from tracesvc.settings import load_settings

ROUNDS: Final = 3
PIECE_BYTES: Final = 1 << 20
DUCKDB_THREADS: Final = 2  # as the embedded source has by default


def client_rows(
    redis_url: str, source_url: str, ids: Sequence[str], tell: Callable[[str], None]
) -> list[Row]:
    """All rows, over one finished job in fresh processes."""
    with ours(redis_url, source_url) as side, tempfile.TemporaryDirectory() as folder:
        tell("clients: exports beside DuckDB")
        job = side.run(ids)
        before = peak_bytes(side.api_pid)
        path = Path(folder) / "export.parquet"
        exported = _best(lambda: _download(side, job.job_id, "parquet", path))
        after = peak_bytes(side.api_pid)
        csv = _best(lambda: _download(side, job.job_id, "csv", Path(folder) / "export.csv"))
        copied, read = _duckdb(path, job.records)
        tell("clients: TraceClient")
        lines = _best(lambda: _follow(side, job.job_id, _typed_lines, job.records))
        raw = _best(lambda: _follow(side, job.job_id, _raw_lines, job.records))
        dicts = _best(lambda: _follow(side, job.job_id, _dicts, job.records))
        arrow = _best(lambda: _follow(side, job.job_id, _arrow, job.records))
        tell("clients: tracesvc trace -o out.parquet, a job of its own")
        command = _best(lambda: _command(side, ids, Path(folder)))
    records = job.records
    return [
        Row(
            "export, parquet",
            rate(records, exported),
            f"DuckDB {rate(records, copied)}",
            exported / copied,
            most=2,
        ),
        Row("export, csv", rate(records, csv), f"parquet {rate(records, exported)}", csv / exported),
        Row(
            "API, peak memory, after exports",
            megabytes(after),
            f"before {megabytes(before)}",
            after / before,
            most=1.15,
        ),
        Row("TraceClient, typed lines", rate(records, lines), f"as bytes {rate(records, raw)}", lines / raw),
        Row("TraceClient, dicts", rate(records, dicts), f"as bytes {rate(records, raw)}", dicts / raw),
        Row("TraceClient, Arrow", rate(records, arrow), f"as bytes {rate(records, raw)}", arrow / raw),
        Row(
            "tracesvc trace -o out.parquet",
            seconds(command),
            f"the job alone {seconds(job.seconds)}",
            command / job.seconds,
        ),
        Row(
            "tracesvc trace -o out.parquet",
            rate(records, command),
            f"DuckDB reads it {rate(records, read)}",
            command / read,
        ),
    ]


def _best(work: Callable[[], None]) -> float:
    """The fastest of some rounds: what others do on the machine only ever slows one down."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def _download(side: Ours, job_id: str, file_format: str, path: Path) -> None:
    route = f"/api/trace/job/{job_id}/export?domain={DOMAIN}&format={file_format}"
    with opened(side.port, "GET", route, headers={}) as answer, path.open("wb") as file:
        while piece := answer.read1(PIECE_BYTES):
            file.write(piece)


def _duckdb(path: Path, records: int) -> tuple[float, float]:
    """Seconds in which DuckDB writes the same table, and in which it reads the file, all columns."""
    with duckdb.connect(config={"threads": DUCKDB_THREADS}) as con:
        con.execute(f"CREATE TABLE held AS SELECT * FROM '{path}'")
        if con.execute("SELECT count(*) FROM held").fetchone() != (records,):
            raise Refused(f"the export does not hold {records} records")
        target = path.with_name("duckdb.parquet")

        def write() -> None:
            con.execute(f"COPY held TO '{target}' (FORMAT parquet, COMPRESSION zstd)")

        def read() -> None:
            for _ in RecordBatchReader.from_stream(con.sql(f"SELECT * FROM '{path}'")):
                pass

        return _best(write), _best(read)


def _follow(
    side: Ours, job_id: str, face: Callable[[TraceClient, str], Awaitable[int]], records: int
) -> None:
    async def run() -> int:
        async with TraceClient(f"http://127.0.0.1:{side.port}") as client:
            return await face(client, job_id)

    if (found := asyncio.run(run())) != records:
        raise Refused(f"a client received {found} records of {records}")


async def _typed_lines(client: TraceClient, job_id: str) -> int:
    return sum([line.count async for line in client.follow(job_id) if isinstance(line, RecordsLine)])


async def _raw_lines(client: TraceClient, job_id: str) -> int:
    async with aclosing(client.follow(job_id).raw()) as lines:
        return sum([line.count async for line in lines if isinstance(line, RawRecords)])


async def _dicts(client: TraceClient, job_id: str) -> int:
    count = 0
    async for _ in client.follow(job_id).records(DOMAIN):
        count += 1
    return count


async def _arrow(client: TraceClient, job_id: str) -> int:
    return int((await client.follow(job_id).to_arrow(DOMAIN)).num_rows)


def _command(side: Ours, ids: Sequence[str], folder: Path) -> None:
    listed = folder / "ids.txt"
    listed.write_text("\n".join(ids))
    options: list[Any] = ["-f", listed, "-d", DOMAIN, "--fresh", "-q", "-o", folder / "out.parquet"]
    command = [sys.executable, "-m", "tracesvc", "trace", *map(str, options)]
    env = os.environ | {"TRACE_URL": f"http://127.0.0.1:{side.port}"}
    subprocess.run(command, check=True, env=env)


@click.command()
@click.option("--containers", type=click.IntRange(min=1000), default=114_000, envvar="BENCH_CONTAINERS")
def main(containers: int) -> None:
    """Measure these rows alone."""
    console = Console(highlight=False, width=140)
    plant = kept_plant(load_settings().trace_data_dir, containers=containers, seed=7)
    with redis_server() as redis_url:
        rows = client_rows(redis_url, plant_url(plant), plant_container_ids(plant), console.print)
    for row in rows:
        console.print(" | ".join(row.cells()))


if __name__ == "__main__":
    main()
