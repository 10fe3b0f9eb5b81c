"""Child processes of the tests, in process groups of their own, and waiting for what they do."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil
import redis

from tests.forking import Forked, die_with_parent
from tracesvc.demo.valkey import server_binary

ROOT: Final = Path(__file__).resolve().parent.parent
POLL_SECONDS: Final = 0.02
START_SECONDS: Final = 45.0
STOP_SECONDS: Final = 8.0
LOG_TAIL_BYTES: Final = 6000


async def wait_until(
    predicate: Callable[[], object | Awaitable[object]],
    *,
    timeout: float = 30,
    message: str | Callable[[], str] = "",
) -> None:
    """Poll `predicate` (sync or async) until it is true; fail with `message` after `timeout` seconds.

    A message that is called says how things stand then.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return
        if time.monotonic() > deadline:
            said = message() if callable(message) else message
            raise AssertionError(f"not within {timeout} s: {said or predicate}")
        await asyncio.sleep(POLL_SECONDS)


def wait_for(predicate: Callable[[], object], *, timeout: float, message: str) -> None:
    """The same for fixtures, which are plain functions."""
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {message}")
        time.sleep(POLL_SECONDS)


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Part:
    """One child process in a process group of its own; what it prints goes to a file.

    A command that begins with `-m` is one of our own modules.
    """

    def __init__(self, name: str, command: Sequence[str], *, env: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command, self._env, self._folder = list(command), dict(env), folder
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes] | Forked:
        if self._command[0] == "-m":
            return Forked(self._command[1:], env=self._env, folder=self._folder, log=self.log)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                env=self._env,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509  the fixtures that fork are single-threaded
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def rss(self) -> int:
        """Resident memory now, in bytes."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def stop(self) -> None:
        """Ask it to end, then make it end."""
        if self.alive:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the group, as a crash would be."""
        self.signal(signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Freeze the process inside the block (SIGSTOP), so that what runs stays as it is."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def restart(self) -> None:
        """Start it again with the same settings after it ended."""
        self.kill()
        self.process = self._start()

    def tail(self, start: int = 0) -> str:
        """The end of what it printed since byte `start` of its log."""
        data = self.log.read_bytes()[start:] if self.log.exists() else b""
        return data[-LOG_TAIL_BYTES:].decode("utf-8", "replace")


class Valkey:
    """A Redis server of its own, without eviction; with `durable` it has its data again after a restart."""

    def __init__(self, folder: Path, *, port: int | None = None, durable: bool = False, **more: str) -> None:
        """`more`: options of the server, their dashes written as `_`."""
        folder.mkdir(parents=True, exist_ok=True)
        self._data = folder / "appendonlydir"
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        options = {
            "bind": "127.0.0.1", "port": str(self.port), "save": "", "dir": str(folder),
            "appendonly": "yes" if durable else "no",
            "maxmemory-policy": "noeviction", "protected-mode": "no", "loglevel": "warning",
        }  # fmt: skip
        options |= {name.replace("_", "-"): value for name, value in more.items()}
        flags = [text for name, value in options.items() for text in (f"--{name}", value)]
        self.part = Part("valkey", [server_binary(), *flags], env=child_env({}), folder=folder)
        self._wait()

    def _wait(self) -> None:
        wait_for(self._answers, timeout=START_SECONDS, message=f"valkey answers: {self.part.tail()}")

    def _answers(self) -> bool:
        with contextlib.suppress(redis.ConnectionError), self.client() as client:
            return bool(client.ping())
        return False

    def client(self) -> redis.Redis:
        """A plain client, for tests that look at keys."""
        client: redis.Redis = redis.Redis.from_url(self.url)
        return client

    def restart(self, *, empty: bool = False) -> None:
        """Start it again on the same port, with its data if it keeps any, or with nothing."""
        self.part.kill()
        if empty:
            shutil.rmtree(self._data, ignore_errors=True)
        self.part.restart()
        self._wait()

    @contextlib.contextmanager
    def short_of_memory(self) -> Iterator[None]:
        """Inside the block it has no memory left for what is written."""
        with self.client() as client:
            client.config_set("maxmemory", 1)
            try:
                yield
            finally:
                client.config_set("maxmemory", 0)

    def stop(self) -> None:
        self.part.stop()


def child_env(settings: Mapping[str, object]) -> dict[str, str]:
    """A bare environment with these settings (field names of `Settings`), and nothing else of ours."""
    env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "SYSTEMROOT") if name in os.environ}
    env |= {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}
    return env | {name.upper(): _as_text(value) for name, value in settings.items()}


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
