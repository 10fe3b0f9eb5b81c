"""A Redis Cluster for the results: the client for its keys, and a connection that hears its channels."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Connection, RedisCluster, SSLConnection
from redis.asyncio.cluster import ClusterNode, ClusterPipeline
from redis.exceptions import ConnectionError as RedisLost
from redis.exceptions import RedisClusterException

from tracesvc.redis_clients.prompt import prompt

SCHEMES: Final = ("redis+cluster", "rediss+cluster")
PORT: Final = 6379
Hosts = list[tuple[str, int]]


def is_cluster(url: str) -> bool:
    """Whether the address names nodes of a cluster."""
    return url.partition("://")[0] in SCHEMES


class ClusterClient(RedisCluster):
    """The cluster's commands, at most `most` at once; each finds the node of its keys.

    No command is sent twice: one that was lost may have done its work. A cluster that cannot be reached
    raises what a server that cannot be reached raises, and is looked for again with the next command.
    """

    ERRORS_ALLOW_RETRY: Any = ()
    connection_pool: Any = None  # what redis-py's mixins declare; a cluster's nodes have their own

    def __init__(self, hosts: Hosts, *, most: int, **options: Any) -> None:  # noqa: ANN401 - handed on to redis-py
        super().__init__(
            startup_nodes=[ClusterNode(host, port) for host, port in hosts],
            cluster_error_retry_attempts=1,  # a pipeline is sent so many times, with 0 not at all
            connection_error_retry_attempts=0,
            **options,
        )
        self._room = asyncio.Semaphore(most)
        self._given = dict(self.nodes_manager.startup_nodes)
        kind = prompt(self.connection_kwargs["connection_class"])
        self.connection_kwargs["connection_class"] = kind
        for node in self._given.values():
            node.connection_class = kind

    async def initialize(self) -> ClusterClient:
        """Learn which node holds what; begins anew with the address when all nodes were lost."""
        for name, node in self._given.items():
            self.nodes_manager.startup_nodes.setdefault(name, node)
        return await super().initialize()  # type: ignore[return-value]

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - redis-py's
        """See redis-py."""
        async with self.admitted():
            return await super().execute_command(*args, **kwargs)

    def pipeline(self, transaction: object = None, shard_hint: object = None) -> _Pipeline:
        """See redis-py; transactions there are none."""
        if transaction or shard_hint:
            raise RedisClusterException("a cluster has no transactions: what belongs together is a script")
        return _Pipeline(self)

    @contextlib.asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Room for one exchange; a cluster that cannot be used raises what a lost server raises."""
        try:
            async with self._room:
                yield
        except RedisClusterException as error:
            raise RedisLost(f"the cluster cannot be used: {error}") from error


class _Pipeline(ClusterPipeline):
    connection_pool: Any = None

    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's
        async with cast("ClusterClient", self._client).admitted():
            return await super().execute(raise_on_error, allow_redirections)


def cluster_client(url: str, *, most: int, **options: Any) -> ClusterClient:  # noqa: ANN401 - handed on to redis-py
    """A client for `redis+cluster://[user:password@]host:6379,host:6379`. Raises `ValueError`."""
    hosts, given = _read(url)
    return ClusterClient(hosts, most=most, ssl=given.pop("ssl"), **given, **options)


def listening_pool(url: str, **options: Any) -> BlockingConnectionPool:  # noqa: ANN401 - handed on to redis-py
    """Connections to whichever node answers: what is published at one node is heard at all."""
    hosts, given = _read(url)
    base = SSLConnection if given.pop("ssl") else Connection

    async def connect(self: Any) -> None:  # noqa: ANN401 - a connection of redis-py
        lost: Exception = OSError("no node was asked")
        for self.host, self.port in hosts:
            try:
                await base._connect(self)  # type: ignore[no-untyped-call]  # noqa: SLF001 - where another host fits in
            except (OSError, RedisLost) as error:
                lost = error
            else:
                return
        raise lost

    kind = prompt(type("AnyNode", (base,), {"_connect": connect}))
    return BlockingConnectionPool(
        connection_class=kind, host=hosts[0][0], port=hosts[0][1], **given, **options
    )


def _read(url: str) -> tuple[Hosts, dict[str, Any]]:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    if not hosts or parts.path.strip("/"):
        raise ValueError("the address names no host, or a database, which a cluster has not")
    found = [host.rpartition(":") if ":" in host else (host, "", str(PORT)) for host in hosts.split(",")]
    return [(host, int(port)) for host, _, port in found], {
        "ssl": parts.scheme == "rediss+cluster",
        "username": unquote(user) or None,
        "password": unquote(password) or None,
    }
