"""Whether Redis may drop parts of results when memory is short: it must not (requirements.md, 16)."""

from __future__ import annotations

import contextlib
import logging

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from tracesvc.redis_clients import each_node

logger = logging.getLogger(__name__)


async def eviction_warning(redis: Redis) -> str:
    """What is wrong with the server's `maxmemory-policy`; empty when nothing is. Raises what Redis raises."""
    for name, at in await each_node(redis):
        where = f" at {name}" if name else ""
        try:
            policy = (await redis.config_get("maxmemory-policy", **at)).get("maxmemory-policy", "")
        except ResponseError:
            return f"maxmemory-policy cannot be read{where}; it must be noeviction"
        if policy != "noeviction":
            return f"maxmemory-policy is {policy}{where}: results may vanish; set noeviction"
    return ""


async def warn_of_eviction(*redises: Redis) -> None:
    """Say it in the log, once; a server that does not answer now is somebody else's business."""
    for redis in set(redises):
        with contextlib.suppress(RedisError, OSError):
            if warning := await eviction_warning(redis):
                logger.warning("Redis: %s", warning)
