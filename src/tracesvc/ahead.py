"""Reading ahead: a producer runs while its consumer is busy, by a bounded number of items."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Iterates over `items`, which a task of its own produces, at most `size` of them ahead.

    What the producer raises is raised where its item would have come; it stands in `error` too.
    """

    def __init__(self, items: AsyncGenerator[T, None], size: int) -> None:
        self.error: Exception | None = None
        self._items = items
        self._closing = False
        self._queue: asyncio.Queue[tuple[T] | None] = asyncio.Queue(size)
        self._task = asyncio.create_task(self._produce())

    async def __aiter__(self) -> AsyncIterator[T]:
        while (item := await self._queue.get()) is not None:
            yield item[0]
        if self.error is not None:
            raise self.error

    async def close(self) -> None:
        """Break the producer off, and wait until it has let go."""
        self._closing = True
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _produce(self) -> None:
        try:
            async with contextlib.aclosing(self._items):
                async for item in self._items:
                    await self._queue.put((item,))
        except Exception as error:  # noqa: BLE001 - raised again in the consumer
            self.error = error
        if not self._closing:  # nobody takes anything from the queue any more
            await self._queue.put(None)
