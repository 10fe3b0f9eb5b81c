"""What one action of each kind costs, what the model says of many users, and a simulation of them.

    python -m bench.capacity.run [--users 1000] [--think-seconds 240] [--seconds 300] [--write]

prints the tables; `--write` puts them into docs/capacity.md. Exits with 1 when an action failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import httpx

from bench.capacity.gauges import Gauges, Used
from bench.capacity.kinds import KINDS, Office
from bench.capacity.model import Cost, predict
from bench.capacity.simulate import Plan, Seen, measure_costs, measure_idle, simulate
from bench.capacity.tables import capacity_tables
from bench.sides import Ours, ours, redis_server
from bench.store import Store
from tracesvc.client import TraceClient
from tracesvc.demo.default_plant import kept_plant, plant_url
from tracesvc.demo.plant import plant_container_ids
from tracesvc.settings import load_settings

CONTAINERS: Final = 11_400
"""The embedded source reads whole columns for a few containers; a warehouse has indexes for that."""
OPEN_CONTAINERS: Final = 5_000
REPEATS: Final = (40, 40, 40, 10, 4)
RAMP_SECONDS: Final = 30.0
PAGE: Final = Path(__file__).parents[2] / "docs" / "capacity.md"
BEGIN: Final = "<!-- measured: begin -->"
END: Final = "<!-- measured: end -->"
# One address asks for everybody: the limits for a single caller would be those of a thousand.
ONE_CALLER: Final = {"TRACE_CALLER_MAX_JOBS": "100000"}

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Measured:
    """One run: costs of single actions, and what the users saw. Peaks in bytes: API, worker."""

    plan: Plan
    idle: Used
    costs: Sequence[Cost]
    seen: Seen
    peaks: tuple[int, int]


async def measure(
    side: Ours, redis_url: str, ids: Sequence[str], plan: Plan, repeats: Sequence[int], tell: Tell
) -> Measured:
    """Costs first, then the users, on the same processes."""
    gauges, store = Gauges(side, redis_url), Store(redis_url)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=plan.users)
    address = f"http://127.0.0.1:{side.port}"
    async with httpx.AsyncClient(base_url=address, timeout=300, limits=limits) as http:
        client = TraceClient(http=http)
        office = await _open_office(client, http, ids)
        tell("nobody asks")
        idle = await measure_idle(gauges, plan.idle_seconds)
        tell("one action at a time")
        costs = await measure_costs(office, KINDS, gauges, store, repeats)
        tell(f"{plan.users:,} users for {plan.ramp_seconds + plan.seconds:g} s")
        seen = await simulate(office, KINDS, gauges, plan)
        return Measured(plan, idle, costs, seen, gauges.peaks())


async def _open_office(client: TraceClient, http: httpx.AsyncClient, ids: Sequence[str]) -> Office:
    trace = client.trace(
        {"profile": "query_tool", "container_ids": ids[:OPEN_CONTAINERS], "domains": ["history"]}, as_job=True
    )
    async for _ in trace.raw():
        pass
    return Office(client, http, ids, str(trace.job_id), "history", trace.ledger.records)


def write_page(page: Path, tables: str) -> None:
    """Put the tables between the marks of a page."""
    text = page.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    page.write_text(f"{head}{BEGIN}\n\n{tables}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


@click.command(help=__doc__)
@click.option("--containers", type=click.IntRange(min=10_000), default=CONTAINERS, show_default=True)
@click.option("--users", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--think-seconds", type=click.FloatRange(min=0.1), default=240.0, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=1), default=300.0, show_default=True)
@click.option("--write", is_flag=True, help="into docs/capacity.md, too")
def main(*, containers: int, users: int, think_seconds: float, seconds: float, write: bool) -> None:
    """Measure, and print."""
    plant = kept_plant(load_settings().trace_data_dir, containers=containers)
    ids, plan = plant_container_ids(plant), Plan(users, think_seconds, RAMP_SECONDS, seconds)

    def tell(what: str) -> None:
        click.echo(f"… {what}", err=True)

    with redis_server() as redis_url, ours(redis_url, plant_url(plant), **ONE_CALLER) as side:
        found = asyncio.run(measure(side, redis_url, ids, plan, REPEATS, tell))
    load = predict(found.costs, found.idle, users, think_seconds)
    tables = capacity_tables(found.costs, load, found.seen, found.peaks, plan)
    click.echo(tables)
    if write:
        write_page(PAGE, tables)
    if found.seen.failures:
        raise SystemExit("\n".join(found.seen.failures[:20]))


if __name__ == "__main__":
    main()
