"""Rate limits by caller, counted in Redis, so that every API process counts the same (domain.md, 9).

A sliding window, by the library `limits`: two counters a caller and class, whatever it asks.
"""

from __future__ import annotations

import asyncio
import enum
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tracesvc.access import RateClass
from tracesvc.pulse import Pulse
from tracesvc.settings import Settings

# Long enough for a burst that waits for the pool: a limit that opens under load would be none. Meanwhile
# somebody looks whether Redis is there at all.
ASK_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 1.0
TIMES: Final[Mapping[RateClass, int]] = {"standard": 1, "high": 10}


class Budget(enum.Enum):
    """What is counted together; polling a job does not eat the budget of work."""

    SEED = "seed"
    LINEAGE = "lineage"
    EVENTS = "events"
    JOB = "job"
    RESULT = "result"


@dataclass(frozen=True, slots=True)
class Count:
    """How a request stands against its limit; there is more room in `reset_seconds`."""

    admitted: bool
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int

    def headers(self) -> dict[str, str]:
        """As the client reads it; `Retry-After` when it was not admitted."""
        found = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_seconds),
            "RateLimit-Policy": f"{self.limit};w={self.window_seconds}",
        }
        return found if self.admitted else found | {"Retry-After": str(max(1, self.reset_seconds))}


class RateLimits:
    """The limits of the settings over one Redis."""

    def __init__(self, redis: Redis, pulse: Pulse, settings: Settings) -> None:
        options: dict[str, Any] = {"connection_pool": redis.connection_pool}
        prefix = f"{settings.trace_redis_prefix}trace:rate"
        storage = RedisStorage("async+redis://", implementation="redispy", key_prefix=prefix, **options)
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._windows = {
            budget: (
                int(getattr(settings, f"trace_{budget.value}_rate_limit_max_requests")),
                int(getattr(settings, f"trace_{budget.value}_rate_limit_window_seconds")),
            )
            for budget in Budget
        }
        self._pulse = pulse

    async def count(self, budget: Budget, caller: str, rate_class: RateClass = "standard") -> Count | None:
        """Count one request; None when nothing is counted: an unlimited caller, or a Redis that is away."""
        times = TIMES.get(rate_class)
        if times is None or not await self._pulse.beats():
            return None
        most, window = self._windows[budget]
        item = RateLimitItemPerSecond(most * times, window)
        asking = asyncio.ensure_future(self._hit(item, budget.value, caller))
        try:
            async with asyncio.timeout(ASK_SECONDS):
                while not (await asyncio.wait({asking}, timeout=LOOK_SECONDS))[0]:
                    if not await self._pulse.beats():
                        return None
            return asking.result()
        except (RedisError, OSError):  # a TimeoutError is one
            return None
        finally:
            asking.cancel()

    async def _hit(self, item: RateLimitItemPerSecond, budget: str, caller: str) -> Count:
        admitted = await self._limiter.hit(item, budget, caller)
        stats = await self._limiter.get_window_stats(item, budget, caller)
        reset = max(0, math.ceil(stats.reset_time - time.time()))
        window = int(item.get_expiry())
        return Count(admitted, item.amount, window, stats.remaining if admitted else 0, reset)
