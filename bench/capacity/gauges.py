"""What the processes have used so far: CPU seconds with their children's, memory, Redis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psutil
import redis

from bench.processes import peak_bytes
from bench.sides import Ours


@dataclass(frozen=True)
class Used:
    """CPU seconds since the processes began."""

    api: float
    worker: float
    redis: float

    def since(self, before: Used) -> Used:
        """What was used after `before`."""
        return Used(self.api - before.api, self.worker - before.worker, self.redis - before.redis)

    def over(self, count: float) -> Used:
        """Shared among `count`."""
        return Used(self.api / count, self.worker / count, self.redis / count)


class Gauges:
    """Of one service: `tracesvc api`, `tracesvc worker` and their server."""

    def __init__(self, side: Ours, redis_url: str) -> None:
        self._side = side
        self._redis = redis.Redis.from_url(redis_url)

    def used(self) -> Used:
        """CPU seconds so far."""
        info: Any = self._redis.info("cpu")
        spent = float(info["used_cpu_user"]) + float(info["used_cpu_sys"])
        return Used(_cpu(self._side.api_pid), _cpu(self._side.worker_pid), spent)

    def redis_bytes(self) -> int:
        """What Redis holds now."""
        info: Any = self._redis.info("memory")
        return int(info["used_memory"])

    def peaks(self) -> tuple[int, int]:
        """The most memory that API and worker ever had, in bytes."""
        return peak_bytes(self._side.api_pid), peak_bytes(self._side.worker_pid)


def _cpu(pid: int) -> float:
    """With that of children that have ended, and of those that run."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    spent = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        now = child.cpu_times()
        spent += now.user + now.system
    return float(spent)
