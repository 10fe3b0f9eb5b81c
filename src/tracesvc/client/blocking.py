"""The client without `await`: for scripts, notebooks and the console."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from arro3.core import Table

from tracesvc.client.client import DEFAULT_URL, TraceClient
from tracesvc.client.connection import Patience
from tracesvc.client.trace import Trace, TraceChoices
from tracesvc.lines import JsonValue, Line

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

T = TypeVar("T")


class _Loop:
    """An event loop in a thread of its own, so that this works where a loop runs already (notebooks)."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tracesvc-client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`; when the caller is interrupted, `work` is cancelled."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def iterate(self, items: AsyncGenerator[T]) -> Iterator[T]:
        """One item after the other; leaving the loop early closes `items`."""
        end = object()
        try:
            while (item := self.run(_next(items, end))) is not end:
                yield item  # type: ignore[misc]
        finally:
            self.run(items.aclose())

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _next(items: AsyncGenerator[T], end: object) -> T | object:
    return await anext(items, end)


class BlockingTrace:
    """A `Trace` for plain loops."""

    def __init__(self, loop: _Loop, trace: Trace) -> None:
        self._loop = loop
        self.trace = trace

    def __iter__(self) -> Iterator[Line]:
        return self._loop.iterate(self.trace.lines())

    def records(self, domain: str) -> Iterator[dict[str, JsonValue]]:
        """The records of one domain, each once."""
        return self._loop.iterate(self.trace.records(domain))

    def to_arrow(self, domain: str) -> Table:
        """All records of one domain."""
        return self._loop.run(self.trace.to_arrow(domain))

    def to_polars(self, domain: str) -> pl.DataFrame:
        """The same as a polars frame."""
        return self._loop.run(self.trace.to_polars(domain))

    def to_pandas(self, domain: str) -> pd.DataFrame:
        """The same as a pandas frame."""
        return self._loop.run(self.trace.to_pandas(domain))

    def cancel(self) -> None:
        """Cancel the job."""
        self._loop.run(self.trace.cancel())


class BlockingTraceClient:
    """A `TraceClient` for plain code; close it, or use it as a context (`with`)."""

    def __init__(
        self, url: str = DEFAULT_URL, *, api_key: str | None = None, patience: Patience | None = None
    ) -> None:
        self._loop = _Loop()
        self._client = self._call(lambda: TraceClient(url, api_key=api_key, patience=patience))

    def trace(self, query: Mapping[str, Any], **options: Unpack[TraceChoices]) -> BlockingTrace:
        """Ask; see `TraceClient.trace`."""
        return BlockingTrace(self._loop, self._client.trace(query, **options))

    def follow(self, job_id: str, **options: Unpack[TraceChoices]) -> BlockingTrace:
        """A job that there is already."""
        return BlockingTrace(self._loop, self._client.follow(job_id, **options))

    def jobs(self, limit: int = 20) -> list[dict[str, Any]]:
        """The caller's jobs, newest first."""
        return self._loop.run(self._client.jobs(limit))

    def status(self, job_id: str, *, wait_seconds: float = 0) -> dict[str, Any]:
        """A job's status document."""
        return self._loop.run(self._client.status(job_id, wait_seconds=wait_seconds))

    def cancel(self, job_id: str) -> str:
        """Cancel a job and free its result."""
        return self._loop.run(self._client.cancel(job_id))

    def catalogue(self) -> dict[str, Any]:
        """What can be asked."""
        return self._loop.run(self._client.catalogue())

    def close(self) -> None:
        """Close the connections, and end the thread."""
        self._loop.run(self._client.aclose())
        self._loop.close()

    def _call(self, make: Callable[[], T]) -> T:
        """Make something where its loop is."""

        async def made() -> T:
            return make()

        return self._loop.run(made())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()
