"""The whole service on one machine: embedded Redis, the API and its workers, kept running."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

import click
import httpx
from pydantic import SecretStr

from tracesvc.access.door import check_exposure
from tracesvc.demo.child import Child, Launch, Log, to_stderr
from tracesvc.demo.default_plant import kept_plant, plant_url
from tracesvc.demo.valkey import HOST, embedded_valkey, free_port
from tracesvc.listen import address, listening_socket
from tracesvc.settings import Settings

GRACE_SECONDS: Final = 10.0
READY_POLL_SECONDS: Final = 0.1
STILL_WAITING_SECONDS: Final = 10.0
HTTP_OK: Final = 200

T = TypeVar("T")


@dataclass(frozen=True)
class Stack:
    """A running stack. `children` are in the order of their start; every one is kept running."""

    url: str
    redis_url: str
    source_url: str
    children: tuple[Child, ...]
    _keepers: tuple[asyncio.Task[NoReturn], ...]

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`; or the error of a child that refused to run, which ends `work`."""
        task = asyncio.create_task(work)
        try:
            await asyncio.wait({task, *self._keepers}, return_when=asyncio.FIRST_COMPLETED)
            for keeper in self._keepers:
                if keeper.done():
                    keeper.result()
            return await task
        finally:
            task.cancel()
            await asyncio.wait({task})


def with_source(settings: Settings) -> Settings:
    """The settings with a source: the default plant, made at its first use, when none is configured."""
    if settings.trace_source_url:
        return settings
    plant = kept_plant(settings.trace_data_dir)
    return settings.model_copy(update={"trace_source_url": plant_url(plant)})


@contextlib.asynccontextmanager
async def running_stack(settings: Settings, log: Log = to_stderr) -> AsyncIterator[Stack]:
    """Run the stack inside the block; `/readyz` answered 200 when it begins, nothing runs after it.

    Raises `SettingsError` when the port is in use, and `ChildRefused` when a part does not start.
    """
    check_exposure(settings)
    settings = with_source(_with_port(settings))
    async with contextlib.AsyncExitStack() as parts:
        first: tuple[Child, ...] = ()
        if not settings.redis_url:
            server, valkey = await parts.enter_async_context(embedded_valkey(log))
            settings = settings.model_copy(update={"trace_redis_url": SecretStr(server.url)})
            first = (valkey,)
        ours = service_children(settings, log)
        keepers = [await parts.enter_async_context(child.kept()) for child in ours]
        url = address(settings.trace_host, settings.trace_port)
        stack = Stack(url, settings.redis_url, settings.trace_source_url, (*first, *ours), tuple(keepers))
        try:
            await stack.during(_wait_until_ready(url, log))
            for child in ours:
                child.settled = True
            yield stack
        finally:
            for keeper in keepers:
                keeper.cancel()


def run_stack(settings: Settings) -> None:
    """`tracesvc up`: run the stack until SIGTERM or SIGINT, one line on standard output when it is ready."""

    async def serve() -> None:
        async with running_stack(settings) as stack:
            click.echo(f"tracesvc is ready at {stack.url}")
            sys.stdout.flush()
            await stack.during(asyncio.Event().wait())

    until_signal(serve)


def until_signal(main: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
    """Run `main` to its end; its result, or None when SIGTERM, SIGINT or SIGHUP came first and ended it."""

    async def cancellable() -> T | None:
        task = asyncio.create_task(main())
        loop = asyncio.get_running_loop()
        signalled = False

        def on_signal() -> None:
            nonlocal signalled
            if not signalled:
                signalled = True
                task.cancel()

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, on_signal)
        try:
            return await task
        except asyncio.CancelledError:
            if not signalled:
                raise
            return None

    return asyncio.run(cancellable())


def service_children(settings: Settings, log: Log) -> tuple[Child, ...]:
    """The API and the workers, not started yet; they get their settings through the environment."""
    env = environment(settings)
    api, worker = (Launch((sys.executable, "-m", "tracesvc", part), env) for part in ("api", "worker"))
    workers = [f"worker-{number}" for number in range(1, settings.trace_worker_count + 1)]
    return (
        Child("api", lambda: api, log, GRACE_SECONDS),
        *(Child(name, lambda: worker, log, GRACE_SECONDS) for name in workers),
    )


def environment(settings: Settings) -> Mapping[str, str]:
    """This process's environment with every setting that was given anywhere, in clear text."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    texts = {
        name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in given.items()
    }
    return {**os.environ, **texts, "PYTHONUNBUFFERED": "1"}


def _with_port(settings: Settings) -> Settings:
    """The settings with a port that can be listened on; port 0 becomes a free one."""
    if settings.trace_port == 0:
        host = settings.trace_host
        return settings.model_copy(update={"trace_port": free_port(host if ":" not in host else HOST)})
    listening_socket(settings.trace_host, settings.trace_port).close()
    return settings


async def _wait_until_ready(url: str, log: Log) -> None:
    """Return when `/readyz` answers 200; say now and then what it still lacks."""
    told = time.monotonic()
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        while True:
            lacks = "no answer yet"
            with contextlib.suppress(httpx.TransportError):
                response = await client.get(f"{url}/readyz")
                if response.status_code == HTTP_OK:
                    return
                lacks = response.text
            if time.monotonic() - told > STILL_WAITING_SECONDS:
                told = time.monotonic()
                log("stack", f"not ready yet; {url}/readyz says: {lacks}")
            await asyncio.sleep(READY_POLL_SECONDS)
