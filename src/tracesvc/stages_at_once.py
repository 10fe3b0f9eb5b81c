"""Stage 1 or 2 by itself, answered in its own response."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Final

import orjson

from tracesvc.detection import DetectionScope, read_detection
from tracesvc.lineage.answer import lineage_of
from tracesvc.query import StageQuery
from tracesvc.results.answers import MAX_ANSWER_BYTES, AnswerCache
from tracesvc.seeds import resolve_seeds
from tracesvc.settings import Settings
from tracesvc.statements import Statements
from tracesvc.unit import Outage

# Somebody waits for the answer; jobs have more.
PATIENCE_SECONDS: Final = 3.0


class StageAnswer:
    """A stage's answer, ready to be read once as JSON in pieces; `aclose` frees what it is read from."""

    def __init__(self, pieces: AsyncGenerator[bytes], resources: contextlib.AsyncExitStack) -> None:
        self._pieces = pieces
        self._resources = resources

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        """Nobody reads any more."""
        await self._pieces.aclose()
        await self._resources.aclose()


class StagesAtOnce:
    """Answers stages 1 and 2 straight from the source; small answers are used again for a while.

    `shared` is used while Redis answers; `alone`, without cache, while it is away.
    """

    def __init__(
        self,
        settings: Settings,
        shared: Statements,
        alone: Statements,
        cache: AnswerCache,
        wait_for_turn: Callable[[float], Awaitable[None]],
    ) -> None:
        """`wait_for_turn` returns when a database slot was free, or raises `SourceUnavailable`."""
        self._settings = settings
        self._shared = shared
        self._alone = alone
        self._cache = cache
        self._wait_for_turn = wait_for_turn

    async def answer(self, query: StageQuery, *, redis_answers: bool, renew: bool) -> StageAnswer:
        """The answer, once everything is read from the plant; with `renew` in any case.

        Raises what the source raises.
        """
        cache = self._cache if redis_answers else None
        key = self._key(query)
        kept = await cache.get(key) if cache is not None and not renew else None
        if kept is not None:
            return StageAnswer(_once(kept), contextlib.AsyncExitStack())
        if redis_answers:
            await self._wait_for_turn(self._settings.trace_db_slot_wait_seconds)
        statements = self._shared if redis_answers else self._alone
        outage = Outage(statements.source.ping, PATIENCE_SECONDS)
        statements = dataclasses.replace(statements, look=outage.look)
        async with contextlib.AsyncExitStack() as stack:
            pieces = await _pieces_of(query, statements, stack, self._settings.trace_scratch_memory_mib)
            if cache is not None:
                pieces = _kept(pieces, cache, key)
            return StageAnswer(pieces, stack.pop_all())
        raise AssertionError  # the stack swallows nothing

    def _key(self, query: StageQuery) -> tuple[str, ...]:
        """Everything that the answer depends on."""
        plant = self._shared
        body = query.model_dump(mode="json", include={"stage", "profile", "seeds", "params", "container_ids"})
        body["container_ids"].sort()
        question = orjson.dumps([body, query.direction], option=orjson.OPT_SORT_KEYS)
        return (plant.source.name, plant.catalogue.fingerprint, hashlib.sha256(question).hexdigest())


async def _pieces_of(
    query: StageQuery, statements: Statements, stack: contextlib.AsyncExitStack, memory_mib: int
) -> AsyncGenerator[bytes]:
    if query.stage == "lineage":
        lineage = await stack.enter_async_context(
            lineage_of(statements, query.container_ids, query.direction, memory_mib)
        )
        return lineage.pieces()
    named = query.named_seeds
    if named is not None:
        return _once(orjson.dumps((await resolve_seeds(statements, named)).to_dict()))
    scope = DetectionScope.of(query)
    found = await stack.enter_async_context(read_detection(statements, scope, memory_mib, whole=False))
    return found.pieces()


async def _once(data: bytes) -> AsyncGenerator[bytes]:
    yield data


async def _kept(
    pieces: AsyncGenerator[bytes], cache: AnswerCache, key: tuple[str, ...]
) -> AsyncGenerator[bytes]:
    """The same pieces; when all of them were read and are few, they are kept."""
    held: list[bytes] = []
    size = 0
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            size += len(piece)
            if size <= MAX_ANSWER_BYTES:
                held.append(piece)
            else:
                held.clear()
            yield piece
    if held:
        await cache.put(key, b"".join(held))
