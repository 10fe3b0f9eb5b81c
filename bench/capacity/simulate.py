"""Users, each a task of its own: they act, think, and act again."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.capacity.gauges import Gauges, Used
from bench.capacity.kinds import Done, Kind, Office
from bench.capacity.model import Cost
from bench.store import Store
from tracesvc.errors import TraceError


@dataclass(frozen=True)
class Plan:
    """How many users, for how long. Times are in seconds; the ramp is not counted."""

    users: int
    think_seconds: float
    ramp_seconds: float
    seconds: float
    idle_seconds: float = 10.0
    seed: int = 7


@dataclass
class Seen:
    """What the users saw after the ramp, and what it took."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    records: int = 0
    failures: list[str] = field(default_factory=list)
    used: Used = field(default_factory=lambda: Used(0, 0, 0))
    seconds: float = 0.0
    own_cores: float = 0.0
    stored_bytes: int = 0

    @property
    def actions(self) -> int:
        """How many were done."""
        return sum(len(one) for one in self.latencies.values())

    def quantile(self, kind: str, part: float) -> float:
        """The latency in seconds that `part` (0 to 1) of this kind did not exceed."""
        ordered = sorted(self.latencies[kind])
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


async def measure_costs(
    office: Office, kinds: Sequence[Kind], gauges: Gauges, store: Store, repeats: Sequence[int]
) -> list[Cost]:
    """Each kind alone, one action after the other, `repeats` times; the first is not counted."""
    costs = []
    for kind, count in zip(kinds, repeats, strict=True):
        chance = random.Random(kind.name)
        await kind.act(office, chance)
        before, began = gauges.used(), time.perf_counter()
        done = [await kind.act(office, chance) for _ in range(count)]
        latency = (time.perf_counter() - began) / count
        used = gauges.used().since(before).over(count)
        stored = sum(_stored(store, one) for one in done) / count
        records = sum(one.records for one in done) / count
        costs.append(Cost(kind.name, kind.share, used, latency, stored, records))
    return costs


async def measure_idle(gauges: Gauges, seconds: float) -> Used:
    """Cores in use when nobody asks."""
    before = gauges.used()
    await asyncio.sleep(seconds)
    return gauges.used().since(before).over(seconds)


async def simulate(office: Office, kinds: Sequence[Kind], gauges: Gauges, plan: Plan) -> Seen:
    """Let the users work. What fails is told, never raised: one user's trouble does not stop the others."""
    seen = Seen()
    began = time.perf_counter()
    counted_from = began + plan.ramp_seconds
    ends = counted_from + plan.seconds
    chances = [random.Random(f"{plan.seed} {number}") for number in range(plan.users)]
    users = [
        asyncio.create_task(_user(office, kinds, plan, chance, (counted_from, ends), seen))
        for chance in chances
    ]
    await asyncio.sleep(plan.ramp_seconds)
    before, stored, own = gauges.used(), gauges.redis_bytes(), time.process_time()
    await asyncio.sleep(max(0.0, ends - time.perf_counter()))
    seen.seconds = time.perf_counter() - counted_from
    seen.used = gauges.used().since(before).over(seen.seconds)
    seen.stored_bytes = gauges.redis_bytes() - stored
    seen.own_cores = (time.process_time() - own) / seen.seconds
    await asyncio.gather(*users)
    return seen


async def _user(
    office: Office,
    kinds: Sequence[Kind],
    plan: Plan,
    chance: random.Random,
    counted: tuple[float, float],
    seen: Seen,
) -> None:
    shares = [kind.share for kind in kinds]
    # As if they had been at it for long: what is left of a pause is as long as a whole one.
    await asyncio.sleep(min(chance.expovariate(1 / plan.think_seconds), counted[1] - time.perf_counter()))
    while (began := time.perf_counter()) < counted[1]:
        kind = chance.choices(kinds, shares)[0]
        try:
            done = await kind.act(office, chance)
        except TraceError as error:
            seen.failures.append(f"{kind.name}: {error}")
        else:
            if began >= counted[0]:
                seen.latencies[kind.name].append(time.perf_counter() - began)
                seen.records += done.records
        thinking = chance.expovariate(1 / plan.think_seconds)
        await asyncio.sleep(max(0.0, min(thinking, counted[1] - time.perf_counter())))


def _stored(store: Store, done: Done) -> int:
    return store.memory_usage(f"trace:job:{done.job_id}:*") if done.job_id else 0
