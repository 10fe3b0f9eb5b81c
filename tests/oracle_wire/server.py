"""The server: a listener with a thread a session, and a control port that a test speaks JSON lines to.

    python -m tests.oracle_wire.server '{"plant": "/path/plant.duckdb", "release": "19c"}'

prints `{"port": …, "control": …}` and serves until its standard input ends.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.oracle_wire.engine import Engine
from tests.oracle_wire.faults import Ledger, Rules
from tests.oracle_wire.handshake import RELEASES
from tests.oracle_wire.session import Session, World


def listening(port: int = 0) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(256)
    return sock


class Server:
    """Sessions and their control."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.ledger = Ledger()
        plant = options.get("plant")
        self._world = World(
            engine=Engine(
                Path(plant) if plant else None, options.get("setup", ""), options.get("missing", ())
            ),
            ledger=self.ledger,
            release=RELEASES[options.get("release", "19c")],
            executor=ThreadPoolExecutor(64),
            user=options.get("user", "trace"),
            password=options.get("password", "tiger"),
            service=options.get("service", "PLANT"),
            memory={} if options.get("from_memory") else None,
        )
        self._port = 0
        self._listener: socket.socket | None = None

    def open(self) -> int:
        """Listen, again on the same port after `shut`; the port."""
        if self._listener is not None:
            return self._port
        self._listener = listening(self._port)
        self._port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self._port

    def shut(self) -> None:
        """Listen no more; sessions stay."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=Session(sock, self._world).run, daemon=True).start()

    def obey(self, told: dict[str, Any]) -> dict[str, Any]:
        match told.pop("do"):
            case "rules":
                self.ledger.set(Rules.made_of(told))
            case "report":
                return self.ledger.report()
            case "shut":
                self.shut()
            case "open":
                self.open()
        return {}


def control(server: Server, listener: socket.socket) -> None:
    """Answer the test, one connection after the other."""
    while True:
        sock, _ = listener.accept()
        with sock, sock.makefile("rwb") as lines:
            for line in lines:
                lines.write(json.dumps(server.obey(json.loads(line))).encode() + b"\n")
                lines.flush()


def main() -> None:
    server = Server(json.loads(sys.argv[1]))
    listener = listening()
    threading.Thread(target=control, args=(server, listener), daemon=True).start()
    told = {"port": server.open(), "control": listener.getsockname()[1]}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)  # threads may be in the middle of something; nothing of it is wanted


if __name__ == "__main__":
    main()
