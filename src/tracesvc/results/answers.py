"""Answers of stages 1 and 2, kept for a while for all processes, in the room of the event cache."""

from __future__ import annotations

from collections.abc import Sequence

from redis.asyncio import Redis

from tracesvc.lines import Rows
from tracesvc.results.cache import EventCache
from tracesvc.results.keys import Keys

MAX_ANSWER_BYTES = 8 * 1024 * 1024


class AnswerCache:
    """JSON by everything that determines it: plant, catalogue, and the question itself."""

    def __init__(self, redis: Redis, keys: Keys, max_bytes: int, seconds: int) -> None:
        self._cache = EventCache(redis, keys, max_bytes)
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def get(self, key: Sequence[str]) -> bytes | None:
        """The answer kept under `key`, or None; also when Redis does not answer."""
        if not self._seconds or not self._max_bytes:
            return None
        kept = await self._cache.get(("stage", *key))
        return kept[0].data if kept else None

    async def put(self, key: Sequence[str], answer: bytes) -> None:
        """Keep an answer for the cache's time; older ones make room."""
        if self._seconds and len(answer) <= min(MAX_ANSWER_BYTES, self._max_bytes):
            await self._cache.put(("stage", *key), [Rows(answer, 0, set())], self._seconds)
