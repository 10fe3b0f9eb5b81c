"""A source that fails on purpose: the real one, with errors put in before chosen statements."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping

from arro3.core import RecordBatch

from tracesvc.errors import TraceError
from tracesvc.sources import Source


class FailingSource:
    """Asks `fails(number, container_ids)` before each statement, counted from 1; raises what it answers."""

    def __init__(self, source: Source, fails: Callable[[int, list[str]], TraceError | None]) -> None:
        self.name = source.name
        self.statements = 0
        self._source = source
        self._fails = fails

    async def batches(
        self, sql: str, params: Mapping[str, object], *, batch_size: int
    ) -> AsyncGenerator[RecordBatch, None]:
        self.statements += 1
        asked = params.get("container_ids", [])
        assert isinstance(asked, list)
        error = self._fails(self.statements, asked)
        if error is not None:
            raise error
        async with contextlib.aclosing(self._source.batches(sql, params, batch_size=batch_size)) as batches:
            async for batch in batches:
                yield batch

    def iter_rows(
        self, sql: str, params: Mapping[str, object], batch_size: int
    ) -> AsyncGenerator[tuple[list[str], list[tuple[object, ...]]], None]:
        return self._source.iter_rows(sql, params, batch_size)

    async def ping(self) -> None:
        await self._source.ping()

    async def close(self) -> None:
        await self._source.close()
