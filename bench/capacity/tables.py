"""What was measured, as the tables of docs/capacity.md."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence

import psutil

from bench.capacity.model import Cost, Load
from bench.capacity.simulate import Plan, Seen


def capacity_tables(costs: Sequence[Cost], load: Load, seen: Seen, peaks: tuple[int, int], plan: Plan) -> str:
    """All of it, in markdown."""
    return "\n\n".join(
        [_machine(), _costs(costs), _beside(load, seen, plan), _latencies(costs, seen), _memory(peaks, seen)]
    )


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"One API and one worker, {psutil.cpu_count()} cores and {memory:.0f} GiB for everything, the users "
        f"included; Python {platform.python_version()}; the embedded source."
    )


def _costs(costs: Sequence[Cost]) -> str:
    head = ("one action", "share", "API, CPU ms", "worker, CPU ms", "alone, ms", "records", "in Redis, kB")
    return _table(
        head,
        (
            (
                cost.kind,
                f"{cost.share:.1%}",
                f"{cost.used.api * 1e3:.1f}",
                f"{cost.used.worker * 1e3:.0f}",
                f"{cost.latency_seconds * 1e3:.0f}",
                f"{cost.records:,.0f}",
                f"{cost.stored_bytes / 1e3:,.0f}",
            )
            for cost in costs
        ),
    )


def _beside(load: Load, seen: Seen, plan: Plan) -> str:
    stored = load.redis_bytes(seen.seconds)
    rows = (
        ("actions a second", load.actions_a_second, seen.actions / seen.seconds, "{:.1f}"),
        ("API, cores busy", load.api_cores, seen.used.api, "{:.2f}"),
        ("worker, cores busy", load.worker_cores, seen.used.worker, "{:.2f}"),
        ("Redis, cores busy", load.redis_cores, seen.used.redis, "{:.3f}"),
        (f"Redis, MB after {seen.seconds:.0f} s", stored / 1e6, seen.stored_bytes / 1e6, "{:.1f}"),
    )
    head = (f"{plan.users:,} users, {plan.think_seconds:g} s apart", "model", "simulated", "ratio")
    compared = _table(
        head,
        (
            (name, shown.format(model), shown.format(found), f"{found / model:.2f}")
            for name, model, found, shown in rows
        ),
    )
    wanted = (
        f"By the model this load wants {load.apis} API and {load.workers} worker processes, and has "
        f"{load.jobs_at_once:.1f} jobs at work at a time."
    )
    return f"{compared}\n\n{wanted}"


def _latencies(costs: Sequence[Cost], seen: Seen) -> str:
    head = ("simulated", "done", "p50, s", "p95, s", "p99, s")
    return _table(
        head,
        (
            (
                cost.kind,
                f"{len(seen.latencies[cost.kind]):,}",
                *(f"{seen.quantile(cost.kind, part):.2f}" for part in (0.5, 0.95, 0.99)),
            )
            for cost in costs
            if seen.latencies[cost.kind]
        ),
    )


def _memory(peaks: tuple[int, int], seen: Seen) -> str:
    api, worker = (peak / 1e6 for peak in peaks)
    return (
        f"{seen.actions:,} actions, {len(seen.failures)} failed, {seen.records:,} records, each "
        f"answer proved complete. Peak memory: API {api:.0f} MB, worker {worker:.0f} MB. "
        f"The users themselves took {seen.own_cores:.2f} cores."
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
