"""Making the clients that the composition roots share, from settings."""

from __future__ import annotations

import contextlib

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tracesvc.catalogue import Catalogue
from tracesvc.errors import SettingsError
from tracesvc.fetch import EventFetcher, FetchLimits
from tracesvc.redis_clients import is_cluster, open_listener, open_redis
from tracesvc.register import QueueLimits
from tracesvc.results.bell import Bell
from tracesvc.results.cache import EventCache
from tracesvc.results.keys import Keys
from tracesvc.settings import Settings
from tracesvc.slots import LocalSlots, SharedSlots, Slots
from tracesvc.sources.base import Source
from tracesvc.statements import Statements

CACHE_MAX_UNIT_BYTES = 8 * 1024 * 1024


def connect_redis(settings: Settings) -> Redis:
    """A client for the queue's Redis; connects when first used. Raises `SettingsError` for a bad address."""
    if not settings.redis_url:
        raise SettingsError(
            "TRACE_REDIS_URL is empty. Give one, or run `tracesvc up`, which brings its own Redis."
        )
    if is_cluster(settings.redis_url):
        raise SettingsError(
            "TRACE_REDIS_URL names a cluster, which cannot carry the queue. A cluster may hold the results: "
            "TRACE_RESULTS_REDIS_URL."
        )
    return _opened("TRACE_REDIS_URL", settings.redis_url, settings)


def connect_results(settings: Settings, redis: Redis) -> Redis:
    """The Redis of the jobs' own keys: TRACE_RESULTS_REDIS_URL, or the queue's, `redis`."""
    if not settings.results_redis_url:
        return redis
    if is_cluster(settings.results_redis_url) and "{" in settings.trace_redis_prefix:
        raise SettingsError(
            "TRACE_REDIS_PREFIX holds a brace: in a cluster for the results all jobs would lie on one node."
        )
    return _opened("TRACE_RESULTS_REDIS_URL", settings.results_redis_url, settings)


def _opened(name: str, url: str, settings: Settings) -> Redis:
    try:
        return open_redis(url, most=settings.trace_redis_max_connections)
    except ValueError:
        raise SettingsError(
            f"{name} is no address of the form redis://, rediss://, unix://, "
            "redis+sentinel://host:26379,host:26379/service or redis+cluster://host:6379,host:6379."
        ) from None


async def close_redis(*redises: Redis) -> None:
    """Close these clients, of which some may be one and the same; a server that is away is no error."""
    for redis in set(redises):
        with contextlib.suppress(RedisError, OSError):
            await redis.aclose()


def open_keys(settings: Settings) -> Keys:
    """The names of all keys."""
    return Keys(settings.trace_redis_prefix, is_cluster(settings.results_redis_url))


def open_bell(settings: Settings, redis: Redis, *channels: str) -> Bell:
    """Hears what is published on these channels, at the results' Redis as at the queue's."""
    bell = Bell(redis, *channels)
    if settings.results_redis_url:
        bell.hear_also(open_listener(settings.results_redis_url), *channels)
    return bell


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
        open_keys(settings),
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
        cache = EventCache(redis, open_keys(settings), settings.trace_event_cache_max_bytes)
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
