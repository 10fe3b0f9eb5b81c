"""`tracesvc demo`: a whole sample plant traced through the real service, shown, measured and reconciled."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.table import Table

from tracesvc.demo.child import Log, to_stderr
from tracesvc.demo.default_plant import DEFAULT_SEED, kept_plant, plant_url
from tracesvc.demo.display import display_of
from tracesvc.demo.ledger import Ledger
from tracesvc.demo.plant import plant_container_ids
from tracesvc.demo.source_counts import source_counts
from tracesvc.demo.stack import Stack, running_stack, until_signal
from tracesvc.demo.tracing import Traced, committed_counts, peak_bytes, stored_bytes, trace
from tracesvc.settings import Settings

DIFFERENT: Final = 1
MB: Final = 1e6


@dataclass(frozen=True)
class Measured:
    """What one demo run measured; sizes in bytes."""

    containers: int
    traced: Traced
    ledger: Ledger
    redis_bytes: int
    worker_peak: int
    api_peak: int
    counted: Mapping[str, int]
    committed: Mapping[str, int]

    @property
    def received(self) -> dict[str, int]:
        """Records that the client received, per domain."""
        return {name: domain.records for name, domain in self.ledger.domains.items()}

    @property
    def reconciled(self) -> bool:
        """Whether the source, the store and the client agree in every domain."""
        return dict(self.counted) == dict(self.committed) == self.received


def show(settings: Settings, *, containers: int, once: bool) -> int:
    """Run the demo; without `once` it serves on until a signal. The exit code: 1 when the counts differ."""
    console = Console(highlight=False)
    with console.status(f"The sample plant of {containers:,} containers (made once) …"):
        plant = kept_plant(settings.trace_data_dir, containers=containers, seed=DEFAULT_SEED)
        ids = plant_container_ids(plant)
    console.print(f"Sample plant: {plant}, {plant.stat().st_size / MB:,.0f} MB, {len(ids):,} containers")
    settings = settings.model_copy(update={"trace_source_url": plant_url(plant)})

    async def run() -> int:
        async with running_stack(settings, _log_to(console)) as stack:
            console.print(f"tracesvc is ready at {stack.url}")
            measured = await stack.during(_measure(stack, settings, plant, ids, console))
            _report(measured, console)
            if not measured.reconciled:
                return DIFFERENT
            if not once:
                _invite(stack.url, measured.traced.job_id, ids[0], console)
                await stack.during(asyncio.Event().wait())
            return 0

    code = until_signal(run)
    return 0 if code is None else code


async def _measure(
    stack: Stack, settings: Settings, plant: Path, ids: Sequence[str], console: Console
) -> Measured:
    console.print(f"Tracing {len(ids):,} containers over all domains of query_tool …")
    ledger = Ledger()
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False) as client:
        with display_of(ledger, console) as display:
            traced = await trace(client, ids, ledger, display.tell)
        committed = await committed_counts(client, traced.job_id)
    redis_bytes = await stored_bytes(stack.redis_url, settings.trace_redis_prefix, traced.job_id)
    workers = [child for child in stack.children if child.name.startswith("worker")]
    api = [child for child in stack.children if child.name == "api"]
    return Measured(
        containers=len(ids),
        traced=traced,
        ledger=ledger,
        redis_bytes=redis_bytes,
        worker_peak=peak_bytes(workers),
        api_peak=peak_bytes(api),
        counted=await asyncio.to_thread(source_counts, plant, ids),
        committed=committed,
    )


def _report(measured: Measured, console: Console) -> None:
    traced, ledger = measured.traced, measured.ledger
    figures = Table(
        "measured", "", title=f"{measured.containers:,} containers, one job, one stream", min_width=48
    )
    figures.columns[1].justify = "right"
    for name, value in (
        ("time to first record, from the POST", f"{traced.first_record_seconds:.3f} s"),
        ("time to the last line", f"{traced.seconds:.2f} s"),
        ("records", f"{ledger.records:,}"),
        ("records a second", f"{ledger.records / traced.seconds:,.0f}"),
        ("JSON", f"{ledger.json_bytes / MB:,.1f} MB"),
        ("on the wire (zstd)", f"{traced.wire_bytes / MB:,.1f} MB"),
        ("in Redis", f"{measured.redis_bytes / MB:,.1f} MB"),
        ("peak memory of the worker", f"{measured.worker_peak / MB:,.0f} MB"),
        ("peak memory of the API", f"{measured.api_peak / MB:,.0f} MB"),
    ):
        figures.add_row(name, value)
    console.print(figures)
    console.print(_reconciliation(measured))
    if measured.reconciled:
        verdict = "Every record at the source was committed once and received once; every digest fits."
        console.print(verdict, soft_wrap=True)
    else:
        console.print(
            "error: the counts differ, so records were lost or repeated; see the table above",
            style="bold red",
        )


def _reconciliation(measured: Measured) -> Table:
    table = Table("domain", "counted at the source", "committed", "received", "", title="Reconciliation")
    for column in table.columns[1:4]:
        column.justify = "right"
    for name in dict.fromkeys([*measured.counted, *measured.committed, *measured.received]):
        counts = [found.get(name) for found in (measured.counted, measured.committed, measured.received)]
        verdict = "equal" if len(set(counts)) == 1 else "DIFFERENT"
        table.add_row(name, *("-" if count is None else f"{count:,}" for count in counts), verdict)
    return table


def _invite(url: str, job_id: str, container_id: str, console: Console) -> None:
    small = f'{{"profile": "query_tool", "container_ids": ["{container_id}"], "domains": ["history"]}}'
    console.print(f"\nServing on at {url} (end with Ctrl-C). Try:", markup=False)
    for command in (
        f"curl -s {url}/api/trace/job/{job_id}",
        f"curl -sN {url}/api/trace/job/{job_id}/stream | cut -c1-300 | head -4",
        f"curl -s '{url}/api/trace/job/{job_id}/result?domain=history&offset=10000&limit=2'",
        f"curl -s {url}/api/trace/events -H 'Content-Type: application/json' -d '{small}'",
    ):
        console.print(f"  {command}", markup=False, soft_wrap=True)


def _log_to(console: Console) -> Log:
    """Above the bars on a terminal, else to standard error."""
    if not console.is_terminal:
        return to_stderr
    return lambda name, line: console.print(f"{name:<9}| {line}", style="dim", markup=False)
