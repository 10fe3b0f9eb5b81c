"""The model: costs of one action of each kind, and what so many users make of it.

Users act, then think. With `users` of them, `think_seconds` between two actions and actions that take
`latency_seconds`, the service gets `users / (think_seconds + mean latency)` actions a second. Everything
else is that rate times a cost (the utilisation law), or times a duration (Little's law).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.capacity.gauges import Used

UTILISATION: Final = 0.6  # of a core; above it, waiting times grow fast


@dataclass(frozen=True)
class Cost:
    """One action, alone on the machine: CPU and latency in seconds, what stays in Redis in bytes."""

    kind: str
    share: float
    used: Used
    latency_seconds: float
    stored_bytes: float
    records: float


@dataclass(frozen=True)
class Load:
    """What the model says of so many users: cores that are busy, and how much is going on at a time."""

    actions_a_second: float
    api_cores: float
    worker_cores: float
    redis_cores: float
    jobs_at_once: float
    stored_bytes_a_second: float

    def redis_bytes(self, seconds: float) -> float:
        """What results take when they are kept for `seconds`, or after that long."""
        return self.stored_bytes_a_second * seconds

    @property
    def apis(self) -> int:
        """API processes, each busy for at most `UTILISATION` of a core."""
        return max(1, math.ceil(self.api_cores / UTILISATION))

    @property
    def workers(self) -> int:
        """Worker processes by the same rule; one can use more than a core, so this is the careful number."""
        return max(1, math.ceil(self.worker_cores / UTILISATION))


def predict(costs: Sequence[Cost], idle: Used, users: int, think_seconds: float) -> Load:
    """The load of `users`. `idle`: cores that the processes need when nobody asks."""
    latency = sum(cost.share * cost.latency_seconds for cost in costs)
    rate = users / (think_seconds + latency)

    def all_of(each: Sequence[float]) -> float:
        return rate * sum(cost.share * one for cost, one in zip(costs, each, strict=True))

    return Load(
        actions_a_second=rate,
        api_cores=idle.api + all_of([cost.used.api for cost in costs]),
        worker_cores=idle.worker + all_of([cost.used.worker for cost in costs]),
        redis_cores=idle.redis + all_of([cost.used.redis for cost in costs]),
        jobs_at_once=all_of([cost.latency_seconds if cost.stored_bytes else 0.0 for cost in costs]),
        stored_bytes_a_second=all_of([cost.stored_bytes for cost in costs]),
    )
