"""`make bench`: tracesvc beside the obvious design and the limits, in one run, on one sample plant.

    python -m bench.run [--containers N] [--out FILE]

prints the table of ratios, and writes it to `bench/results.md` when the plant has its full size. Exits
with 1 when the two services found different records.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from bench.clients import client_rows
from bench.measure import (
    OPEN_STREAMS,
    TENTH,
    Memory,
    NaiveFigures,
    OurFigures,
    WholeJobs,
    measure_jobs,
    measure_naive,
    measure_ours,
    memory_of_ours,
    middle,
)
from bench.report import Report, Row, megabytes, rate, seconds, table
from bench.sides import redis_server
from bench.stages import stage_rows
from bench.store import Store
from tracesvc.demo.default_plant import kept_plant, plant_url
from tracesvc.demo.plant import plant_container_ids
from tracesvc.settings import load_settings

FULL_CONTAINERS: Final = 114_000
ORACLE_CONTAINERS: Final = 11_400
ORACLE_HEADING: Final = "## Oracle"
RESULTS: Final = Path(__file__).with_name("results.md")


def job_rows(records: int, jobs: WholeJobs) -> list[Row]:
    """Whole jobs beside the obvious design and the limit."""
    job, naive_job, loop, parsed = map(middle, (jobs.ours, jobs.naive, jobs.loops, jobs.parsed_loops))
    return [
        Row(
            "job, submit to last line received",
            rate(records, job),
            f"naive {rate(records, naive_job)}",
            naive_job / job,
            least=8,
        ),
        Row(
            "job, beside the bare source loop",
            rate(records, job),
            f"loop {rate(records, loop)}",
            loop / job,
            least=0.5,
        ),
        Row(
            "job, beside a loop that parses once",
            rate(records, job),
            f"loop {rate(records, parsed)}",
            parsed / job,
        ),
    ]


def throughput_rows(mine: OurFigures, other: NaiveFigures) -> list[Row]:
    """Reading a finished job."""
    records = mine.job.records
    zstd, identity = middle(mine.zstd), middle(mine.identity)
    gets = middle([found.seconds for found in mine.gets])
    stream = other.job.stream_seconds
    return [
        Row(
            "stream of a finished job, zstd",
            rate(records, zstd),
            f"naive {rate(records, stream)}",
            stream / zstd,
            least=100,
        ),
        Row(
            "stream of a finished job, identity",
            rate(records, identity),
            f"naive {rate(records, stream)}",
            stream / identity,
            least=10,
        ),
        Row(
            "stream, zstd, beside bare Redis GETs",
            seconds(zstd),
            f"GETs {seconds(gets)}",
            gets / zstd,
        ),
    ]


def page_rows(mine: OurFigures, other: NaiveFigures) -> list[Row]:
    """Pages of 5000: the obvious design loads all chunks for each, so its cost is one for all offsets."""
    times, theirs = [middle(rounds) for rounds in mine.pages], middle(other.pages)
    places = ("at offset 0", "in the middle", "at the end")
    return [
        *(
            Row(f"page of 5000 {place}", seconds(time), f"naive {seconds(theirs)}", theirs / time, least=100)
            for place, time in zip(places, times, strict=True)
        ),
        Row(
            "page, slowest beside fastest",
            seconds(max(times)),
            f"fastest {seconds(min(times))}",
            max(times) / min(times),
            most=1.5,
        ),
    ]


def memory_rows(mine: OurFigures, other: NaiveFigures, tenth: Memory) -> list[Row]:
    """Bytes in Redis, and peaks of the processes."""
    full, theirs = mine.memory, other.memory
    return [
        Row(
            "in Redis",
            megabytes(mine.stored),
            f"naive {megabytes(other.stored)}",
            other.stored / mine.stored,
            least=10,
        ),
        _smaller("worker, peak memory", full.worker, theirs.worker),
        _smaller(f"API, peak memory, {OPEN_STREAMS} streams open, a page", full.api, theirs.api),
        _flat("worker, 10 x the records", full.worker, tenth.worker),
        _flat("API, 10 x the records", full.api, tenth.api),
    ]


def first_record_rows(mine: OurFigures, containers: int) -> list[Row]:
    """From the POST to the first record, at both ends of what becomes a job."""
    few = min(20_001, containers)
    return [
        _first(f"first record, {containers:,} ids, p50 of {len(mine.first_all)}", mine.first_all),
        _first(f"first record, {few:,} ids, p50 of {len(mine.first_few)}", mine.first_few),
    ]


def _smaller(measured: str, size: int, theirs: int) -> Row:
    return Row(measured, megabytes(size), f"naive {megabytes(theirs)}", theirs / size, least=5)


def _flat(measured: str, size: int, tenth: int) -> Row:
    return Row(measured, megabytes(size), f"a tenth {megabytes(tenth)}", size / tenth, most=1.15)


def _first(measured: str, times: Sequence[float]) -> Row:
    spread = f"{seconds(min(times))} to {seconds(max(times))}"
    return Row(measured, seconds(middle(times)), spread, middle(times), unit="s", most=0.3)


def measure(containers: int, console: Console) -> Report:
    """Run everything; fresh processes for each side, one embedded Redis for all."""
    plant = kept_plant(load_settings().trace_data_dir, containers=containers, seed=7)
    ids, source_url = plant_container_ids(plant), plant_url(plant)

    def tell(what: str) -> None:
        console.print(f"… {what}", style="dim")

    with redis_server() as redis_url:
        store = Store(redis_url)
        tell("tracesvc: a tenth of the containers, in fresh processes")
        tenth = memory_of_ours(redis_url, source_url, ids[::TENTH])  # of the whole plant
        mine = measure_ours(redis_url, source_url, ids, store, tell)
        other = measure_naive(redis_url, source_url, ids, store, tell)
        jobs = measure_jobs(redis_url, source_url, ids, tell)
        clients = client_rows(redis_url, source_url, ids, tell)
        stages = stage_rows(redis_url, source_url, tell)
        server = store.version()
    if other.job.records != mine.job.records:
        raise click.ClickException(
            f"tracesvc found {mine.job.records} records, the obvious design {other.job.records}"
        )
    rows = [
        *job_rows(mine.job.records, jobs),
        *throughput_rows(mine, other),
        *page_rows(mine, other),
        *memory_rows(mine, other, tenth),
        *first_record_rows(mine, containers),
        *clients,
        *stages,
    ]
    return Report(containers, mine.job.records, server, rows, _notes(mine, other))


def _notes(mine: OurFigures, other: NaiveFigures) -> list[str]:
    ours, theirs = mine.memory.streams, other.memory.streams
    intact = f"tracesvc {ours.intact} of {ours.asked}, naive {theirs.intact} of {theirs.asked}"
    return [f"streams open at once that stayed intact: {intact}"]


@click.command()
@click.option(
    "--containers", type=click.IntRange(min=1000), default=FULL_CONTAINERS, envvar="BENCH_CONTAINERS"
)
@click.option("--out", type=click.Path(path_type=Path), default=None, help="where the table is written")
@click.option("--only-oracle", is_flag=True, help="measure the Oracle source alone, into its own section")
def main(containers: int, out: Path | None, *, only_oracle: bool) -> None:
    """Measure and report."""
    console = Console(highlight=False)
    if only_oracle:
        _oracle(console, min(containers, ORACLE_CONTAINERS), out or RESULTS)
        return
    report = measure(containers, console)
    report.show(console)
    out = out or (RESULTS if containers == FULL_CONTAINERS else None)
    if out is None:
        console.print(f"Not written down: {RESULTS.name} is for {FULL_CONTAINERS:,} containers.")
    else:
        out.write_text(report.markdown() + _kept_section(out), encoding="utf-8")


def _oracle(console: Console, containers: int, out: Path) -> None:
    """Measure the Oracle source, and write its section of the page anew."""
    from bench.oracle import measure as measure_oracle  # noqa: PLC0415 - needs the tests' server

    plant = kept_plant(load_settings().trace_data_dir, containers=containers, seed=7)
    rows, records = measure_oracle(plant)
    lines = [
        ORACLE_HEADING,
        "",
        "Written by `make bench BENCH_ARGS=--only-oracle`. The database is the test server, as 19c, on the",
        "same machine; from memory: its answers are encoded before; encoding: it encodes each answer anew.",
        "",
        f"- {containers:,} containers, {records:,} records of `history`, oracledb {version('oracledb')}",
        "",
        *table(rows),
    ]
    console.print("\n".join(lines), markup=False, soft_wrap=True)
    page = out.read_text(encoding="utf-8").partition(ORACLE_HEADING)[0] if out.exists() else ""
    out.write_text(f"{page.rstrip()}\n\n" + "\n".join(lines) + "\n", encoding="utf-8")


def _kept_section(page: Path) -> str:
    """What stands on Oracle in the page that is written anew."""
    before, heading, rest = (
        page.read_text(encoding="utf-8").partition(ORACLE_HEADING) if page.exists() else ("", "", "")
    )
    del before
    return f"\n{heading}{rest}" if heading else ""


if __name__ == "__main__":
    main()
