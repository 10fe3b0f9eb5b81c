"""A running statement streams, is bounded, and stops when told to."""

# ruff: noqa: DTZ001 - the plant's times have no zone

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import cast

import duckdb
import pytest

from tests.support import wait_until
from tracesvc.catalogue import load_catalogue
from tracesvc.demo.tiny import make_tiny_plant
from tracesvc.errors import SourceTimeout, SourceUnavailable
from tracesvc.settings import load_settings
from tracesvc.sources import SourceError, open_source
from tracesvc.sources import duckdb as embedded
from tracesvc.sources.duckdb import DuckDBSource
from tracesvc.sources.statement import open_stream

ROWS = 400_000
ALL = "SELECT h.TRACKINQTY AS Q, h.CONTAINERID AS C FROM DWH.DW_MES_LOTWIPHISTORY h"
ENDLESS = (
    "SELECT COUNT(*) AS N FROM DWH.DW_MES_LOTWIPHISTORY a JOIN DWH.DW_MES_LOTWIPHISTORY b"
    " ON a.TRACKINQTY + b.TRACKINQTY < 0 OR a.CONTAINERID > b.CONTAINERID"
)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("running") / "plant.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE SCHEMA DWH")
        con.execute(
            "CREATE TABLE DWH.DW_MES_LOTWIPHISTORY AS"
            f" SELECT printf('%016x', i) AS CONTAINERID, i AS TRACKINQTY FROM range({ROWS}) t(i)"
        )
    return path


def opened(plant: Path, **settings: object) -> DuckDBSource:
    source = open_source(load_settings(trace_source_url=f"duckdb://{plant}", **settings), load_catalogue())
    assert isinstance(source, DuckDBSource)
    return source


@pytest.fixture
async def source(plant: Path) -> AsyncIterator[DuckDBSource]:
    found = opened(plant)
    yield found
    await found.close()


async def test_batches_are_bounded_complete_and_in_order(source: DuckDBSource) -> None:
    sizes, last = [], -1
    async for batch in source.batches(f"{ALL} ORDER BY 1", {}, batch_size=5000):
        assert batch.column_names == ["Q", "C"]
        values = batch.column("Q").to_pylist()
        assert values[0] == last + 1
        last = values[-1]
        sizes.append(batch.num_rows)
    assert (sum(sizes), last, max(sizes)) == (ROWS, ROWS - 1, 5000)


class Documented:
    """A connection that has only what DuckDB documents."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.sql = con.sql


@pytest.mark.parametrize("params", [{}, {"least": ROWS - 10}])
def test_a_stream_is_the_same_by_the_documented_way(plant: Path, params: dict[str, object]) -> None:
    sql = "SELECT * FROM DWH.DW_MES_LOTWIPHISTORY" + (" WHERE TRACKINQTY >= $least" if params else "")
    with duckdb.connect(str(plant), read_only=True) as con:
        ours = open_stream(con, sql, params).read_all()
        documented = open_stream(cast("duckdb.DuckDBPyConnection", Documented(con)), sql, params).read_all()
    assert ours.num_rows == (10 if params else ROWS)
    assert ours == documented


async def test_the_event_loop_runs_on_meanwhile(source: DuckDBSource) -> None:
    task = asyncio.create_task(anext(source.batches(f"{ALL} ORDER BY 2 DESC", {}, batch_size=5000)))
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10


async def test_closing_the_iterator_early_breaks_the_statement_off(source: DuckDBSource) -> None:
    stream = source.batches(ALL, {}, batch_size=10)
    assert (await anext(stream)).num_rows == 10
    began = time.perf_counter()
    await stream.aclose()
    assert time.perf_counter() - began < 1
    await source.ping()


async def test_cancelling_interrupts_a_running_query_quickly(source: DuckDBSource) -> None:
    task = asyncio.create_task(anext(source.batches(ENDLESS, {}, batch_size=10)))
    done, _ = await asyncio.wait({task}, timeout=0.3)
    assert not done
    began = time.perf_counter()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.perf_counter() - began < 1
    await source.ping()


async def test_a_statement_beyond_its_time_is_broken_off(plant: Path) -> None:
    source = opened(plant, db_slow_call_timeout_ms=200)
    began = time.perf_counter()
    with pytest.raises(SourceTimeout):
        await anext(source.batches(ENDLESS, {}, batch_size=10))
    assert time.perf_counter() - began < 5
    await source.ping()
    await source.close()


async def test_a_slow_reader_does_not_use_up_the_statements_time(plant: Path) -> None:
    source = opened(plant, db_slow_call_timeout_ms=5000)
    count = 0
    async for batch in source.batches(ALL, {}, batch_size=200_000):
        count += batch.num_rows
    assert count == ROWS
    await source.close()


async def test_statements_run_side_by_side(source: DuckDBSource) -> None:
    async def one(ids: list[str]) -> list[object]:
        sql = f"{ALL} WHERE h.CONTAINERID IN (:container_ids) ORDER BY 1"
        stream = source.batches(sql, {"container_ids": ids}, batch_size=100)
        return [value async for batch in stream for value in batch.column("Q").to_pylist()]

    wanted = [[n, n + 1] for n in range(0, 40, 2)]
    assert await asyncio.gather(*(one([f"{n:016x}" for n in pair]) for pair in wanted)) == wanted


async def test_closing_the_source_ends_what_runs(plant: Path) -> None:
    source = opened(plant)
    task = asyncio.create_task(anext(source.batches(ENDLESS, {}, batch_size=10)))
    await asyncio.wait({task}, timeout=0.2)
    await source.close()
    with pytest.raises((SourceError, SourceUnavailable, StopAsyncIteration)):
        await task
    with pytest.raises(SourceUnavailable):
        await source.ping()


async def test_errors_show_neither_sql_nor_values(source: DuckDBSource) -> None:
    sql = "SELECT TO_NUMBER(h.CONTAINERID || 'secret') AS N FROM DWH.DW_MES_LOTWIPHISTORY h"
    with pytest.raises(SourceError) as caught:
        await anext(source.batches(sql, {}, batch_size=10))
    assert "secret" not in str(caught.value)
    assert "SELECT" not in str(caught.value)
    with pytest.raises(SourceError):
        await anext(source.batches("SELECT t.X AS X FROM DWH.NOWHERE t", {}, batch_size=10))
    with pytest.raises(SourceError, match=":as_of"):
        await anext(source.batches(f"{ALL} WHERE :as_of IS NULL", {}, batch_size=10))
    await source.ping()


async def test_a_datetime_is_bound_to_the_second_as_oracle_does(source: DuckDBSource) -> None:
    sql = "SELECT MIN(:as_of) AS T FROM DWH.DW_MES_LOTWIPHISTORY h"
    moment = datetime(2026, 1, 1, 1, 2, 3, 456)
    found = [batch async for _, batch in source.iter_rows(sql, {"as_of": moment}, 1)]
    assert found == [[(moment.replace(microsecond=0),)]]


async def test_an_idle_source_gives_its_memory_back_and_opens_again(
    source: DuckDBSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "IDLE_SECONDS", 0.01)
    await source.ping()
    assert source._con is not None
    await wait_until(lambda: source._con is None, timeout=10)
    await source.ping()


async def test_a_folder_whose_files_are_gone_does_not_answer_until_they_are_back(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "plant", tmp_path / "elsewhere"
    make_tiny_plant(folder)
    source = opened(folder)
    try:
        await source.ping()
        folder.rename(elsewhere)
        with pytest.raises(SourceUnavailable, match="files are gone"):
            await source.ping()
        elsewhere.rename(folder)
        await source.ping()
    finally:
        await source.close()
