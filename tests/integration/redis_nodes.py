"""A Redis Cluster of three primaries, from the embedded server's program."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

import redis

from tests.parts import Valkey, free_port, wait_for

SLOTS: Final = 16384
START_SECONDS: Final = 60


class RedisNodes:
    """Three nodes, each with a third of the slots; a lost one takes only its own away."""

    def __init__(self, folder: Path) -> None:
        buses = [free_port() for _ in range(3)]
        self.nodes = [
            Valkey(
                folder / f"node{number}",
                cluster_enabled="yes",
                cluster_port=str(buses[number]),
                cluster_require_full_coverage="no",
                cluster_node_timeout="2000",
            )
            for number in range(3)
        ]
        share = SLOTS // 3
        for number, node in enumerate(self.nodes):
            last = SLOTS - 1 if number == 2 else (number + 1) * share - 1
            with node.client() as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * share, last)
                for other, bus in zip(self.nodes[:number], buses, strict=False):
                    client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, bus)
        wait_for(self._agree, timeout=START_SECONDS, message="the nodes know each other")

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in self.nodes)}"

    def names(self) -> list[set[str]]:
        """The names of each node's keys."""
        return [self._names(node) for node in self.nodes]

    def without_ttl(self) -> list[str]:
        found = []
        for node in self.nodes:
            with node.client() as client:
                found += [name.decode() for name in client.scan_iter(count=1000) if client.pttl(name) == -1]
        return found

    def move(self, name: str) -> None:
        """Give the slot of this key, with all its keys, to another node (CLUSTER SETSLOT, MIGRATE)."""
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(node.client()) for node in self.nodes]
            ids = [client.execute_command("CLUSTER", "MYID") for client in clients]
            slot = int(clients[0].execute_command("CLUSTER", "KEYSLOT", name))
            source = next(at for at, names in enumerate(self.names()) if name in names)
            target = (source + 1) % 3
            clients[target].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
            clients[source].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
            while keys := clients[source].execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
                place = ("127.0.0.1", self.nodes[target].port, "", 0, 5000)
                clients[source].execute_command("MIGRATE", *place, "KEYS", *keys)
            for client in (clients[target], *clients):
                client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[target])

    def stop(self) -> None:
        for node in self.nodes:
            node.part.stop()

    def _agree(self) -> bool:
        for node in self.nodes:
            with node.client() as client:
                state = client.execute_command("CLUSTER INFO")  # redis-py makes a dict of it
            if (state.get("cluster_state"), state.get("cluster_known_nodes")) != ("ok", "3"):
                return False
            if state.get("cluster_slots_assigned") != str(SLOTS):
                return False
        return True

    @staticmethod
    def _names(node: Valkey) -> set[str]:
        with contextlib.suppress(redis.ConnectionError), node.client() as client:
            return {name.decode() for name in client.scan_iter(count=1000)}
        return set()
