"""Running the catalogue's statements of stages 1 and 2: in slots, tried again, halved when that helps."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from arro3.core import RecordBatch

from tracesvc.catalogue import Catalogue, StageStatement
from tracesvc.errors import TraceError
from tracesvc.fetch import conform
from tracesvc.scratch import Scratch
from tracesvc.slots import Slots
from tracesvc.sources.base import Source

logger = logging.getLogger(__name__)

T = TypeVar("T")

LIST_VALUES: Final = 1000
"""Values of one list; Oracle takes no more."""
RETRY_PAUSES_SECONDS: Final = (0.2, 1.0)
_LAST_CHARACTER: Final = "\U0010fffd"

Take = Callable[[RecordBatch], Awaitable[None]]
Look = Callable[[], Awaitable[Literal["answers", "back", "away"]]]


async def _never_away() -> Literal["answers", "back", "away"]:
    return "answers"


@dataclass(frozen=True, slots=True)
class Statements:
    """Statements on one plant, a few at once.

    `look` waits for a source that is away, as long as its caller has patience. Raises the source's errors
    once nothing helps any more.
    """

    source: Source
    catalogue: Catalogue
    slots: Slots
    round_trip_rows: int
    at_once: int = 2
    look: Look = _never_away

    async def read(
        self, name: str, params: Mapping[str, object], *, most: int | None = None
    ) -> list[RecordBatch]:
        """All rows of a statement, held at once; of more than `most` rows only the first so many."""

        async def once() -> list[RecordBatch]:
            found, left = [], most
            async with contextlib.aclosing(self._batches(name, params)) as batches:
                async for batch in batches:
                    found.append(batch)
                    if left is not None and (left := left - batch.num_rows) < 0:
                        break
            return found

        return await self._trying(name, once, halves=False)

    async def lists(
        self, name: str, bind: str, values: Sequence[str], params: Mapping[str, object], take: Take
    ) -> None:
        """A statement once for each thousand values; `take` gets the rows of each, whole, in any order.

        `low` and `high` are set when the statement has them.
        """
        gate = asyncio.Semaphore(self.at_once)

        async def block(part: Sequence[str]) -> None:
            async with gate:
                await self._block(name, bind, part, params, take)

        async with _unwrapped(), asyncio.TaskGroup() as group:
            for start in range(0, len(values), LIST_VALUES):
                group.create_task(block(values[start : start + LIST_VALUES]))

    async def whole(self, name: str, params: Mapping[str, object], scratch: Scratch, table: str) -> None:
        """All rows of a statement into a fresh table of a temporary database, as they come."""
        statement = self.catalogue.stage(name)

        async def once() -> None:
            await scratch.create(table, statement.columns)
            async with contextlib.aclosing(self._batches(name, params)) as batches:
                async for batch in batches:
                    await scratch.insert(table, [batch])

        await self._trying(name, once, halves=False)

    async def _block(
        self, name: str, bind: str, values: Sequence[str], params: Mapping[str, object], take: Take
    ) -> None:
        todo = [values]
        while todo:
            part = todo.pop()
            bound = {**params, bind: list(part)} | bounds(part)
            try:
                found = await self._trying(
                    name, functools.partial(self._all, name, bound), halves=len(part) > 1
                )
            except _Halve:
                logger.info("%s: %d values failed together; halved", name, len(part))
                todo += [part[len(part) // 2 :], part[: len(part) // 2]]
            else:
                for batch in found:
                    await take(batch)

    async def _all(self, name: str, params: Mapping[str, object]) -> list[RecordBatch]:
        return [batch async for batch in self._batches(name, params)]

    async def _batches(self, name: str, params: Mapping[str, object]) -> AsyncGenerator[RecordBatch]:
        """One statement's rows, in a slot to its end: nobody slow waits for them."""
        statement = self.catalogue.stage(name)
        async with self.slots.slot():
            found = self.source.batches(
                statement.sql, _only(params, statement), batch_size=self.round_trip_rows
            )
            async with contextlib.aclosing(found):
                async for batch in found:
                    yield conform(batch, statement.columns)

    async def _trying(self, name: str, once: Callable[[], Awaitable[T]], *, halves: bool) -> T:
        """The remedies of a failed statement (requirements.md, 1): again, in halves, or none."""
        pauses = iter(RETRY_PAUSES_SECONDS)
        while True:
            try:
                return await once()
            except TraceError as error:
                pause = next(pauses, None)
                if error.remedy == "again" and pause is not None:
                    await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret
                    continue
                if error.remedy == "again" and await self.look() == "back":
                    pauses = iter(RETRY_PAUSES_SECONDS)
                    continue
                logger.warning("%s failed: %s", name, error.code)
                if error.remedy != "none" and halves:
                    raise _Halve from error
                raise


class _Halve(Exception):
    """Fewer values at once may help."""


def bounds(names: Sequence[str]) -> dict[str, str]:
    """Between which texts an index holds these names, also when they have blanks behind."""
    return {"low": min(names), "high": max(names) + "!"}


def pattern_bounds(beginnings: Sequence[str]) -> dict[str, str]:
    """Between which texts an index holds all that begins so."""
    last = "" if "" in beginnings else max(beginnings)
    return {"low": min(beginnings) or " ", "high": last + _LAST_CHARACTER}


def _only(params: Mapping[str, object], statement: StageStatement) -> dict[str, object]:
    """The binds that the statement has: drivers refuse others."""
    return {name: value for name, value in params.items() if f":{name}" in statement.sql}


@contextlib.asynccontextmanager
async def _unwrapped() -> AsyncGenerator[None]:
    """The first failure of a group of tasks, by itself."""
    try:
        yield
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
