"""A Redis that is found through Sentinels, and found again when another server becomes the master."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from tests.parts import Part, Valkey, child_env, free_port, wait_for, wait_until
from tracesvc.connect import connect_redis
from tracesvc.demo.valkey import server_binary
from tracesvc.errors import SettingsError
from tracesvc.settings import load_settings


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Valkey, Valkey, int]]:
    """A master, its replica, and the port of a Sentinel that watches them."""
    master, replica = Valkey(tmp_path / "a"), Valkey(tmp_path / "b")
    with replica.client() as client:
        client.replicaof("127.0.0.1", str(master.port))
        wait_for(
            lambda: client.info("replication")["master_link_status"] == "up", timeout=30, message="replica"
        )
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\nsentinel monitor plant 127.0.0.1 {master.port} 1\n"
        "sentinel down-after-milliseconds plant 500\nsentinel failover-timeout plant 5000\n"
    )
    command = [server_binary(), str(config), "--sentinel"]
    sentinel = Part("sentinel", command, env=child_env({}), folder=tmp_path)
    yield master, replica, port
    for part in (sentinel, master.part, replica.part):
        part.stop()


async def test_the_new_master_is_found_when_the_old_one_is_lost(servers: tuple[Valkey, Valkey, int]) -> None:
    master, replica, port = servers
    redis = connect_redis(load_settings(trace_redis_url=f"redis+sentinel://127.0.0.1:{port}/plant/0"))

    async def written() -> bool:
        try:
            return bool(await redis.set("said", "yes", ex=600))
        except (RedisError, OSError):
            return False

    try:
        await wait_until(written)
        with master.client() as client:
            assert client.get("said") == b"yes"
        await wait_until(lambda: b"slave0" in _replicas(port))
        master.part.kill()
        await wait_until(written, timeout=60)
        with replica.client() as client:
            assert client.info("replication")["role"] == "master"
            assert client.get("said") == b"yes"
    finally:
        await redis.aclose()


def _replicas(port: int) -> bytes:
    import redis

    with redis.Redis(port=port) as client:
        found = client.execute_command("SENTINEL", "REPLICAS", "plant")
    return b"slave0" if found else b""


@pytest.mark.parametrize("url", ["redis+sentinel://", "redis+sentinel://a:26379", "redis+sentinel://a:x/s"])
def test_an_address_without_host_or_service_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="TRACE_REDIS_URL"):
        connect_redis(load_settings(trace_redis_url=url))
