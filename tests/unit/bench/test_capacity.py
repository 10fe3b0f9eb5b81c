"""The capacity model: what it says of many users, and a hundred of them at work."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.capacity.gauges import Used
from bench.capacity.kinds import KINDS
from bench.capacity.model import Cost, predict
from bench.capacity.run import BEGIN, END, ONE_CALLER, PAGE, measure, write_page
from bench.capacity.simulate import Plan
from bench.capacity.tables import capacity_tables
from bench.sides import ours, redis_server
from tests.support import Plant

PAGE_COST = Cost("page", 0.75, Used(0.01, 0.0, 0.0), 0.02, 0, 1000)
JOB_COST = Cost("job", 0.25, Used(0.02, 0.4, 0.01), 0.98, 100_000, 50_000)
NOTHING = Used(0.0, 0.0, 0.0)


def test_load_is_the_rate_of_actions_times_what_one_takes() -> None:
    load = predict([PAGE_COST, JOB_COST], Used(0.05, 0.1, 0.0), users=1000, think_seconds=59.74)
    assert load.actions_a_second == pytest.approx(1000 / 60)
    assert load.api_cores == pytest.approx(0.05 + 1000 / 60 * 0.0125)
    assert load.worker_cores == pytest.approx(0.1 + 1000 / 60 * 0.1)
    assert load.jobs_at_once == pytest.approx(1000 / 60 * 0.25 * 0.98)
    assert load.redis_bytes(3600) == pytest.approx(1000 / 60 * 25_000 * 3600)


def test_processes_are_busy_for_at_most_sixty_percent() -> None:
    load = predict([JOB_COST], NOTHING, users=100, think_seconds=59.755)
    assert (load.apis, load.workers) == (1, 1)
    assert load.worker_cores == pytest.approx(100 / 60 * 0.1)
    twelve = predict([JOB_COST], NOTHING, users=1200, think_seconds=59.755)
    assert twelve.workers == 4  # 2 cores at 0.6


def test_shares_are_all_that_users_do() -> None:
    assert sum(kind.share for kind in KINDS) == pytest.approx(1)


async def test_a_hundred_users_get_whole_answers(small_plant: Plant) -> None:
    plan = Plan(users=100, think_seconds=10, ramp_seconds=3, seconds=8, idle_seconds=1)
    with (
        redis_server() as redis_url,
        ours(redis_url, f"duckdb://{small_plant.path}", **ONE_CALLER) as side,
    ):
        found = await measure(
            side, redis_url, small_plant.container_ids, plan, (3, 3, 3, 2, 1), lambda _: None
        )
    seen = found.seen
    assert seen.failures == []
    assert set(seen.latencies) >= {KINDS[0].name, KINDS[1].name, KINDS[2].name}
    assert seen.records > 0
    assert seen.used.api > 0
    load = predict(found.costs, found.idle, plan.users, plan.think_seconds)
    assert load.redis_bytes(1) > 0, "jobs leave results, and the costs know it"
    tables = capacity_tables(found.costs, load, seen, found.peaks, plan)
    assert all(kind.name in tables for kind in KINDS)


def test_the_page_takes_the_tables_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "capacity.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_page(page, "| new |")
    assert page.read_text() == f"before\n{BEGIN}\n\n| new |\n\n{END}\nafter\n"


def test_the_docs_hold_measured_tables() -> None:
    text = PAGE.read_text(encoding="utf-8")
    measured = text.split(BEGIN)[1].split(END)[0]
    assert all(kind.name in measured for kind in KINDS)
