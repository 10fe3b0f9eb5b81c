"""Redis behind Sentinels: the address of whichever server is the master now."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote, urlsplit

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool

SCHEMES: Final = ("redis+sentinel", "rediss+sentinel")
PORT: Final = 26379


class SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """A bounded pool of connections to the master; asks the Sentinels again when that is lost."""

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        """Close the connections; with those in use, also the ones to the Sentinels."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for client in self.sentinel_manager.sentinels:
                await client.aclose()


def is_sentinel(url: str) -> bool:
    """Whether the address names Sentinels."""
    return url.partition("://")[0] in SCHEMES


def sentinel_pool(url: str, **options: Any) -> SentinelPool:  # noqa: ANN401 - handed on to redis-py
    """A pool for `redis+sentinel://[user:password@]host:26379,host:26379/service[/db]`.

    The credentials are the master's. Raises `ValueError` for an address that is none.
    """
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    service, _, database = parts.path.strip("/").partition("/")
    if not hosts or not service:
        raise ValueError("the address names no host or no service")
    found = [host.rpartition(":") if ":" in host else (host, "", str(PORT)) for host in hosts.split(",")]
    kept = {name: value for name, value in options.items() if name.startswith("socket_")}
    manager = Sentinel(  # type: ignore[no-untyped-call]
        [(host, int(port)) for host, _, port in found], sentinel_kwargs=kept
    )
    return SentinelPool(  # type: ignore[no-untyped-call]
        service,
        manager,
        ssl=parts.scheme == "rediss+sentinel",
        username=unquote(user) or None,
        password=unquote(password) or None,
        db=int(database or 0),
        **options,
    )
