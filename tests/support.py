"""The bench that tests stand on: a service of real processes with settings of its own, and `wait_until`."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import httpx
import redis
import redis.asyncio

from tests.parts import START_SECONDS, Part, Valkey, child_env, free_port, wait_for, wait_until
from tracesvc.settings import Settings

__all__ = [
    "Part",
    "Plant",
    "Stack",
    "StackCache",
    "Valkey",
    "child_env",
    "free_port",
    "wait_for",
    "wait_until",
]

RATE_LIMITS_OFF: Final[Mapping[str, object]] = {
    name: 1_000_000 for name in Settings.model_fields if name.endswith("_rate_limit_max_requests")
}


WORKER: Final = ("tracesvc", "worker")
WORKER_OF_ITS_OWN: Final = (sys.executable, "-m", "tracesvc", "worker")
"""Started as users start it, so that its memory is what it would be."""


@dataclass(frozen=True)
class Plant:
    """A plant to trace in: where it is and whom it knows."""

    path: Path
    container_ids: tuple[str, ...]

    @property
    def url(self) -> str:
        return f"duckdb://{self.path.absolute()}"


@dataclass
class Stack:
    """A running service: API processes and workers of its own on a Redis that others may share."""

    redis_url: str
    prefix: str
    queue: str
    folder: Path
    env: dict[str, str]
    plant: Plant | None = None
    worker: tuple[str, ...] = WORKER
    apis: list[Part] = field(default_factory=list)
    workers: list[Part] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where the first API process listens."""
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    @property
    def parts(self) -> list[Part]:
        return [*self.apis, *self.workers]

    def client(self, *, api: int = 0, **options: Any) -> httpx.AsyncClient:
        """A client of the `api`-th API process; close it (`async with`).

        It takes plain bodies unless told otherwise: httpx's zstd decoder breaks when what it has read ends
        between two frames, and TCP may cut there, once in some 65,536 frames.
        """
        headers = {"Accept-Encoding": "identity", **options.pop("headers", {})}
        return httpx.AsyncClient(base_url=self.urls[api], timeout=60, headers=headers, **options)

    def redis(self) -> redis.asyncio.Redis:
        """A client of the stack's Redis; close it (`async with`)."""
        client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(self.redis_url)
        return client

    def key(self, job_id: str, rest: str) -> str:
        """The name of a job's key in Redis (protocol.md, 5)."""
        return f"{self.prefix}trace:job:{job_id}:{rest}"

    def start(self, *, apis: int, workers: int) -> Self:
        """Start the parts and wait until they serve."""
        try:
            for _ in range(workers):
                self.add_worker()
            for _ in range(apis):
                self.add_api()
            self.wait_ready(workers)
        except BaseException:
            self.stop()
            raise
        return self

    def add_api(self, env: Mapping[str, str] | None = None) -> Part:
        """Start one more API process, with these variables besides the stack's, and wait until it answers."""
        for _ in range(3):  # the free port may be taken by another before we listen
            port = free_port()
            own = {**(env or {}), "TRACE_HOST": "127.0.0.1", "TRACE_PORT": str(port)}
            part = self._part(f"api{len(self.apis)}", ("tracesvc", "api"), self.env | own)
            if _serves(part, port):
                self.apis.append(part)
                self.ports.append(port)
                return part
        raise AssertionError(f"the API does not start:\n{part.tail()}")

    def add_worker(self) -> Part:
        """Start one more worker; it announces itself within about a second."""
        part = self._part(f"worker{len(self.workers)}", self.worker, self.env)
        self.workers.append(part)
        return part

    def _part(self, name: str, module: Sequence[str], env: Mapping[str, str]) -> Part:
        command = module if module[0] == sys.executable else ["-m", *module]
        return Part(name, command, env=env, folder=self.folder)

    def wait_ready(self, workers: int) -> None:
        """Wait until every API process is live and says that the workers serve the queue."""
        if workers:
            wait_for(lambda: self._ready(workers), timeout=START_SECONDS, message=f"/readyz: {self.logs()}")

    def _ready(self, workers: int) -> bool:
        dead = [part for part in self.parts if not part.alive]
        if dead:
            raise AssertionError(f"{dead[0].name} ended:\n{dead[0].tail()}")
        answers = [httpx.get(f"{url}/readyz", timeout=10) for url in self.urls]
        return all(answer.status_code == httpx.codes.OK for answer in answers) and (
            workers == 1 or len(self.announced()) >= workers
        )

    def announced(self) -> list[Any]:
        """The workers that `/readyz` names."""
        body = httpx.get(f"{self.url}/readyz", timeout=10).json()
        return list(body["checks"]["workers"]["workers"])

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"--- {part.name}\n{part.tail()}" for part in self.parts)

    def stop(self) -> None:
        """End every part and drop its keys."""
        for part in self.parts:
            part.signal(signal.SIGTERM)
        for part in self.parts:
            part.stop()
        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(self.redis_url) as client:
            for key in client.scan_iter(match=f"{self.prefix}*", count=1000):
                client.unlink(key)

    def keys_without_ttl(self) -> list[str]:
        """Keys of this stack that would stay for ever; arq's own are excepted (protocol.md, 5)."""
        with redis.Redis.from_url(self.redis_url) as client:
            names = [name.decode() for name in client.scan_iter(count=1000)]
            mine = [name for name in names if name.startswith((self.prefix, "trace:"))]
            ours = [name for name in mine if not self._is_arqs(name)]
            with client.pipeline(transaction=False) as pipe:
                for name in ours:
                    pipe.pttl(name)
                return [name for name, left in zip(ours, pipe.execute(), strict=True) if left == -1]

    def _is_arqs(self, name: str) -> bool:
        return name.removeprefix(self.prefix).startswith(("arq:", self.queue))


def _serves(part: Part, port: int) -> bool:
    """Wait until the process answers (true) or has ended (false)."""
    wait_for(lambda: not part.alive or _answers(port), timeout=START_SECONDS, message="/livez answers")
    return part.alive


def _answers(port: int) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/livez", timeout=10).status_code == httpx.codes.OK
    return False


class StackCache:
    """Stacks by their settings: those in use, and the two used last, so that modules share them."""

    IDLE: Final = 2

    def __init__(self, folder: Path) -> None:
        self._folder, self._made = folder, 0
        self._valkey: Valkey | None = None
        self._stacks: dict[tuple[object, ...], Stack] = {}
        self._users: dict[tuple[object, ...], int] = {}

    @property
    def valkey(self) -> Valkey:
        """The Redis server that the stacks share; started when first asked for."""
        self._valkey = self._valkey or Valkey(self._folder / "valkey")
        return self._valkey

    @property
    def live(self) -> list[Stack]:
        return list(self._stacks.values())

    @contextlib.contextmanager
    def users(self) -> Iterator[Callable[..., Stack]]:
        """A factory of stacks; what it handed out is given back at the end."""
        taken: list[tuple[object, ...]] = []

        def get(
            plant: Plant | None = None,
            *,
            workers: int = 1,
            apis: int = 1,
            worker: tuple[str, ...] = WORKER,
            **settings: object,
        ) -> Stack:
            key = (plant.path if plant else None, workers, apis, worker, *sorted(settings.items()))
            taken.append(key)
            self._users[key] = self._users.get(key, 0) + 1
            found = self._stacks.pop(key, None)
            if found is None or not all(part.alive for part in found.parts):
                if found is not None:
                    found.stop()
                found = self.fresh(plant, workers=workers, apis=apis, worker=worker, **settings)
            self._stacks[key] = found
            self._trim()
            return found

        try:
            yield get
        finally:
            for key in taken:
                self._users[key] -= 1
            self._trim()

    def _trim(self) -> None:
        idle = [key for key in self._stacks if not self._users[key]]
        for key in idle[: max(0, len(idle) - self.IDLE)]:
            self._stacks.pop(key).stop()

    def fresh(
        self,
        plant: Plant | None = None,
        *,
        workers: int = 1,
        apis: int = 1,
        worker: tuple[str, ...] = WORKER,
        **settings: object,
    ) -> Stack:
        """A stack that nobody else gets; the caller stops it. `worker`: the module that a worker runs."""
        self._made += 1
        folder = self._folder / f"stack{self._made}"
        folder.mkdir()
        prefix = str(settings.get("trace_redis_prefix", f"t{self._made}:"))
        queue = str(settings.get("trace_worker_queue", f"trace-events-t{self._made}"))
        url = str(settings.pop("trace_redis_url", None) or self.valkey.url)
        values: dict[str, object] = {
            "trace_redis_url": url, "trace_redis_prefix": prefix, "trace_worker_queue": queue,
            "trace_data_dir": folder, "trace_source_url": plant.url if plant else "",
            **RATE_LIMITS_OFF, **settings,
        }  # fmt: skip
        stack = Stack(url, prefix, queue, folder, child_env(values), plant, worker)
        return stack.start(apis=apis, workers=workers)

    def retire(self, stack: Stack) -> None:
        """End a stack now, and share it no more."""
        self._stacks = {key: found for key, found in self._stacks.items() if found is not stack}
        stack.stop()

    def close(self) -> None:
        for stack in self.live:
            stack.stop()
        if self._valkey is not None:
            self._valkey.stop()
