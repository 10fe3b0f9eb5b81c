"""Clients for each kind of Redis: one server, a master that Sentinels know, a cluster."""

from __future__ import annotations

from typing import Any, Final, cast

from redis.asyncio import BlockingConnectionPool, Redis

from tracesvc.redis_clients.cluster import ClusterClient, cluster_client, is_cluster, listening_pool
from tracesvc.redis_clients.prompt import prompt
from tracesvc.redis_clients.sentinel import is_sentinel, sentinel_pool

POOL_WAIT_SECONDS: Final = 20
CONNECT_SECONDS: Final = 0.8
SOCKET_SECONDS: Final = 15
_OPTIONS: Final[dict[str, Any]] = {
    "socket_connect_timeout": CONNECT_SECONDS,
    "socket_timeout": SOCKET_SECONDS,
    "health_check_interval": 30,
}

__all__ = ["each_node", "is_cluster", "open_listener", "open_redis"]


def open_redis(url: str, *, most: int) -> Redis:
    """A client with at most `most` connections (commands at once, of a cluster); connects when first used.

    A cluster's has the same commands, but no transactions: what belongs together is a script on keys of one
    slot. Raises `ValueError` for a bad address.
    """
    if is_cluster(url):
        return cast("Redis", cluster_client(url, most=most, **_OPTIONS))
    make = sentinel_pool if is_sentinel(url) else BlockingConnectionPool.from_url
    pool = make(url, max_connections=most, timeout=POOL_WAIT_SECONDS, **_OPTIONS)
    pool.connection_class = prompt(pool.connection_class)
    return Redis.from_pool(pool)  # closes it, too


async def each_node(redis: Redis) -> list[tuple[str, dict[str, Any]]]:
    """For questions to servers, not to keys: each one's name, and what to ask it with, `redis.info(**at)`.

    One server has the name ''. Raises what Redis raises.
    """
    client: object = redis
    if not isinstance(client, ClusterClient):
        return [("", {})]
    await client.ping()  # learns of the nodes
    return [(node.name, {"target_nodes": node}) for node in client.get_primaries()]


def open_listener(url: str) -> Redis:
    """A client to hear the channels with. Raises `ValueError` for a bad address."""
    if not is_cluster(url):
        return open_redis(url, most=2)
    return Redis.from_pool(listening_pool(url, max_connections=2, timeout=POOL_WAIT_SECONDS, **_OPTIONS))
