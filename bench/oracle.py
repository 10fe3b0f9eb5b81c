"""Reading Oracle beside the driver's own loops, and a whole job beside them.

The database is the test server of tests/oracle_wire, behaving like 19c. It answers in one of two forms: `from
memory`, encoded once before and only sent then, so that the client's work decides; or `encoding` each answer
from DuckDB's rows, so that the server's work decides, as in a plant. Each row says which.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import oracledb

from bench.report import Row, rate
from bench.sides import DOMAIN, ours, redis_server
from tests.oracle_wire import OracleServer
from tracesvc.catalogue import load_catalogue
from tracesvc.demo.plant import plant_container_ids
from tracesvc.runner import cut
from tracesvc.settings import Settings, load_settings
from tracesvc.sources import open_source
from tracesvc.sources.oracle.address import FRAME_BYTES
from tracesvc.sources.oracle.binding import BLOCK, Prepared, prepare

ROUNDS: Final = 5
LIST: Final = "container_ids"
FETCH_ROWS: Final = (500, 1000, 2500, 10_000)
PREFETCH_ROWS: Final = (0, 500, 2000)

Units = Sequence[Sequence[str]]


def measure(plant: Path) -> tuple[list[Row], int]:
    """The rows, and how many records each pass reads."""
    catalogue, ids = load_catalogue(), plant_container_ids(plant)
    prepared = prepare(catalogue.domains[DOMAIN].sql, frozenset({LIST}))
    units = [ids[part] for part in cut(len(ids), 0, 1000)]
    memory, encoding = OracleServer(plant, from_memory=True), OracleServer(plant)
    try:
        rows, records = _source_rows(memory, prepared, units)
        rows += _size_rows(memory, units, records)
        rows += [_job_row(encoding, prepared, ids, units, records)]
    finally:
        memory.close()
        encoding.close()
    return rows, records


def _source_rows(server: OracleServer, statement: Prepared, units: Units) -> tuple[list[Row], int]:
    records = _bare(server, statement, units, width=1, frames=True)[0]  # fills the server's memory
    frames, fetches, mine = [], [], []
    for _ in range(ROUNDS):
        frames.append(_bare(server, statement, units, width=1, frames=True)[1])
        fetches.append(_bare(server, statement, units, width=1, frames=False)[1])
        found, seconds = asyncio.run(_source(server, units))
        assert found == records, f"the source found {found} records, the loop {records}"
        mine.append(seconds)
    ours_, arrow, by_rows = (statistics.median(times) for times in (mine, frames, fetches))
    told = "Oracle source beside the driver's"
    return [
        Row(
            f"{told} fetch_df_batches, from memory",
            rate(records, ours_),
            rate(records, arrow),
            arrow / ours_,
            least=0.9,
        ),
        Row(f"{told} fetchmany, from memory", rate(records, ours_), rate(records, by_rows), by_rows / ours_),
    ], records


def _size_rows(server: OracleServer, units: Units, records: int) -> list[Row]:
    """Rows a round trip, and rows that come with the statement itself, each beside the default."""
    default = Settings().db_slow_fetchmany_size
    arrow = {size: {"db_slow_fetchmany_size": size} for size in (*FETCH_ROWS, default)}
    by_rows = {
        rows: {"trace_db_reader": "rows", "trace_db_prefetch_rows": rows}
        for rows in (*PREFETCH_ROWS, default)
    }
    return [
        *_beside_default(server, units, records, arrow, "Oracle source, {} rows a round trip"),
        *_beside_default(server, units, records, by_rows, "Oracle source by rows, {} with the statement"),
    ]


def _beside_default(
    server: OracleServer, units: Units, records: int, choices: Mapping[int, Mapping[str, object]], told: str
) -> list[Row]:
    """The last choice is the default."""
    times: dict[int, list[float]] = {value: [] for value in choices}
    for turn in range(ROUNDS + 1):
        for value, given in choices.items():
            found, seconds = asyncio.run(_source(server, units, **given))
            assert found == records, f"the source found {found} records, the loop {records}"
            if turn:  # the first fills the server's memory
                times[value].append(seconds)
    middles = {value: statistics.median(found) for value, found in times.items()}
    default, usual = middles.popitem()
    return [
        Row(
            told.format(f"{value:,}"),
            rate(records, taken),
            f"{default:,}: {rate(records, usual)}",
            usual / taken,
        )
        for value, taken in middles.items()
    ]


def _job_row(
    server: OracleServer, statement: Prepared, ids: Sequence[str], units: Units, records: int
) -> Row:
    width = Settings().event_fetcher_max_workers
    loops, jobs = [], []
    environment = {name.upper(): str(value) for name, value in server.settings.items()}
    with redis_server() as redis_url, ours(redis_url, "oracle://", **environment) as side:
        for _ in range(3):
            loops.append(_bare(server, statement, units, width=width, frames=True)[1])
            job = side.run(ids)
            assert job.records == records, f"the job found {job.records} records, the loop {records}"
            jobs.append(job.seconds)
    job_, loop = statistics.median(jobs), statistics.median(loops)
    told = f"job on Oracle beside {width} loops of fetch_df_batches, encoding"
    return Row(told, rate(records, job_), rate(records, loop), loop / job_, least=0.8)


def _bare(
    server: OracleServer, statement: Prepared, units: Units, *, width: int, frames: bool
) -> tuple[int, float]:
    """Records and seconds of the driver alone, `width` sessions side by side, packets as large as ours."""
    size = Settings().db_slow_fetchmany_size

    def unit(connection: oracledb.Connection, ids: Sequence[str]) -> int:
        binds = _texts(ids)
        if frames:
            found = connection.fetch_df_batches(statement.text, binds, size=size)
            return sum(frame.num_rows() for frame in found)
        with connection.cursor() as cursor:
            cursor.arraysize = cursor.prefetchrows = size
            cursor.execute(statement.text, binds)
            count = 0
            while rows := cursor.fetchmany(size):
                count += len(rows)
            return count

    def work(part: tuple[oracledb.Connection, Units]) -> int:
        connection, own = part
        return sum(unit(connection, ids) for ids in own)

    connections = [oracledb.connect(**server.connect_args, sdu=FRAME_BYTES) for _ in range(width)]
    parts = [(connection, units[place::width]) for place, connection in enumerate(connections)]
    began = time.perf_counter()
    with ThreadPoolExecutor(width) as pool:
        records = sum(pool.map(work, parts))
    seconds = time.perf_counter() - began
    for connection in connections:
        connection.close()
    return records, seconds


def _texts(ids: Sequence[str]) -> dict[str, str]:
    """The statement's binds in the least work: texts, the last one again and again in a block's rest."""
    return {f"{LIST}_{place}": ids[min(place, len(ids) - 1)] for place in range(BLOCK)}


async def _source(server: OracleServer, units: Units, **given: object) -> tuple[int, float]:
    catalogue, settings = load_catalogue(), load_settings(**{**server.settings, **given})
    source = open_source(settings, catalogue)
    sql, size = catalogue.domains[DOMAIN].sql, settings.db_slow_fetchmany_size
    await source.ping()
    records, began = 0, time.perf_counter()
    for unit in units:
        async for batch in source.batches(sql, {LIST: unit}, batch_size=size):
            records += batch.num_rows
    seconds = time.perf_counter() - began
    await source.close()
    return records, seconds
