"""What a test holds of a server: its address, its faults, and what it saw."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.parts import ROOT, child_env, wait_until

USER, PASSWORD, SERVICE = "trace", "tiger", "PLANT"
NO_RULES: Final[dict[str, Any]] = {}


class OracleServer:
    """A server in a process of its own."""

    def __init__(self, plant: Path | None = None, **options: Any) -> None:
        """`options`: release, setup, missing, from_memory (`server.Server`)."""
        told = {"plant": str(plant) if plant else "", **options}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.oracle_wire.server", json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=child_env({}),
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server does not start"
        found = json.loads(line)
        self.port: int = found["port"]
        self._control = socket.create_connection(("127.0.0.1", found["control"]))
        self._lines = self._control.makefile("rwb")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def settings(self) -> dict[str, object]:
        """What a source needs to be told to come here."""
        return {
            "trace_source_url": "oracle://", "db_host": "127.0.0.1", "db_port": self.port,
            "db_service": SERVICE, "db_user": USER, "db_password": PASSWORD,
        }  # fmt: skip

    @property
    def connect_args(self) -> dict[str, Any]:
        """What the bare driver needs."""
        return {"user": USER, "password": PASSWORD, "dsn": f"127.0.0.1:{self.port}/{SERVICE}"}

    def _tell(self, **told: Any) -> dict[str, Any]:
        self._lines.write(json.dumps(told).encode() + b"\n")
        self._lines.flush()
        answer: dict[str, Any] = json.loads(self._lines.readline())
        return answer

    def rules(self, **rules: Any) -> None:
        """From now on this goes wrong and nothing else (`faults.Rules`)."""
        self._tell(do="rules", **rules)

    @contextlib.contextmanager
    def failing(self, **rules: Any) -> Iterator[None]:
        """The same inside a block."""
        self.rules(**rules)
        try:
            yield
        finally:
            self.rules()

    def report(self) -> dict[str, Any]:
        """Counts, events, texts of statements, tags and open sessions."""
        return self._tell(do="report")

    def count(self, event: str) -> int:
        return int(self.report()["counts"].get(event, 0))

    @property
    def sessions(self) -> int:
        """Sessions that are open now."""
        return int(self.report()["sessions"])

    async def no_session_left(self) -> None:
        await wait_until(lambda: self.sessions == 0, timeout=30, message="every session has ended")

    def shut(self) -> None:
        """Listen no more."""
        self._tell(do="shut")

    def open(self) -> None:
        self._tell(do="open")

    def close(self) -> None:
        for part in (self._lines, self._control, self._process.stdin, self._process.stdout):
            assert part is not None
            part.close()
        self._process.wait(10)
