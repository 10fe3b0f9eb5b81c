"""Making the clients that the composition roots share, from settings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisLost
from redis.exceptions import TimeoutError as RedisTimeout

from tracesvc.catalogue import Catalogue
from tracesvc.errors import SettingsError
from tracesvc.fetch import EventFetcher, FetchLimits
from tracesvc.queue import QueueLimits
from tracesvc.results.bell import Bell
from tracesvc.results.cache import EventCache
from tracesvc.results.keys import Keys
from tracesvc.sentinel import is_sentinel, sentinel_pool
from tracesvc.settings import Settings
from tracesvc.slots import LocalSlots, SharedSlots, Slots
from tracesvc.sources.base import Source
from tracesvc.statements import Statements

CACHE_MAX_UNIT_BYTES = 8 * 1024 * 1024
POOL_WAIT_SECONDS = 20
CONNECT_SECONDS = 0.8
SOCKET_SECONDS = 15


def connect_redis(settings: Settings) -> Redis:
    """A client over a bounded pool; connects when first used. Raises `SettingsError` for a bad address."""
    if not settings.redis_url:
        raise SettingsError(
            "TRACE_REDIS_URL is empty. Give one, or run `tracesvc up`, which brings its own Redis."
        )
    make = sentinel_pool if is_sentinel(settings.redis_url) else BlockingConnectionPool.from_url
    try:
        pool = make(
            settings.redis_url,
            max_connections=settings.trace_redis_max_connections,
            timeout=POOL_WAIT_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=SOCKET_SECONDS,
            health_check_interval=30,
        )
    except ValueError:
        raise SettingsError(
            "TRACE_REDIS_URL is no address of the form redis://, rediss://, unix:// or "
            "redis+sentinel://host:26379,host:26379/service."
        ) from None
    pool.connection_class = type("Prompt", (_PromptSending, pool.connection_class), {})
    return Redis.from_pool(pool)  # closes it, too


class _PromptSending:
    """Sends commands so that a task that is cancelled meanwhile ends.

    redis-py sends through `asyncio.wait_for`, which on Python 3.11 swallows a cancel that comes when the
    bytes have just been written.
    """

    async def send_packed_command(
        self: Any,
        command: bytes | str | Iterable[bytes],
        check_health: bool = True,  # noqa: FBT001, FBT002 - redis-py's
    ) -> None:
        """Write one command within the socket's timeout; raises redis-py's errors."""
        if not self.is_connected:
            await self.connect()
        elif check_health:
            await self.check_health()
        if isinstance(command, str):
            command = command.encode()
        try:
            async with asyncio.timeout(self.socket_timeout):
                await self._send_packed_command([command] if isinstance(command, bytes) else command)
        except TimeoutError:
            await self.disconnect(nowait=True)
            raise RedisTimeout("A command was not taken within the socket's timeout.") from None
        except OSError as error:
            await self.disconnect(nowait=True)
            raise RedisLost("The connection was lost while a command was sent.") from error
        except BaseException:  # half a command may be on its way: nothing can follow it
            await self.disconnect(nowait=True)
            raise


def queue_limits(settings: Settings) -> QueueLimits:
    """The queue's part of the settings."""
    return QueueLimits(
        queue=settings.trace_redis_prefix + settings.trace_worker_queue,
        workers=settings.trace_worker_queue,
        job_seconds=settings.trace_job_timeout_seconds,
        ttl_seconds=settings.trace_job_ttl_seconds,
        most=settings.trace_queue_max_jobs,
        most_of_caller=settings.trace_caller_max_jobs,
        max_attempts=settings.trace_job_max_attempts,
    )


def shared_slots(settings: Settings, redis: Redis, bell: Bell) -> SharedSlots:
    """The database slots of all processes; `bell` listens on the signals."""
    return SharedSlots(
        redis,
        Keys(settings.trace_redis_prefix),
        bell,
        limit=settings.db_slow_max_concurrent,
        lease_seconds=settings.trace_lease_seconds,
        local=LocalSlots(settings.trace_db_local_max_concurrent),
    )


def open_fetcher(
    settings: Settings, source: Source, catalogue: Catalogue, redis: Redis | None, slots: Slots
) -> EventFetcher:
    """The fetcher with the event cache, or without one where there is no Redis."""
    limits = FetchLimits(
        line_rows=settings.trace_stream_batch_size,
        round_trip_rows=settings.db_slow_fetchmany_size,
        cache_skip_cids=settings.event_fetcher_cache_skip_cid_threshold,
        cache_max_bytes=min(CACHE_MAX_UNIT_BYTES, settings.trace_event_cache_max_bytes),
        plant_timezone=settings.trace_plant_timezone,
    )
    cache = None
    if redis is not None and settings.trace_event_cache_max_bytes:
        cache = EventCache(redis, Keys(settings.trace_redis_prefix), settings.trace_event_cache_max_bytes)
    return EventFetcher(source, catalogue, limits, slots, cache)


def open_statements(settings: Settings, source: Source, catalogue: Catalogue, slots: Slots) -> Statements:
    """The statements of stages 1 and 2 on the plant."""
    return Statements(
        source,
        catalogue,
        slots,
        round_trip_rows=settings.db_slow_fetchmany_size,
        at_once=settings.event_fetcher_max_workers,
    )
