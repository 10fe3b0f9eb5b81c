"""The event cache: the encoded lines of a unit, kept for a domain's cache time, shared by all processes."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError
from zstandard import ZstdError

from tracesvc.lines import Rows
from tracesvc.results.codec import compress, inflate
from tracesvc.results.keys import Keys

FORMAT: Final = "1"
# A cache that takes longer is no help.
SECONDS: Final = 1.0
# Written entries are counted in one sorted set by the time they end; the oldest go when there is no room.
# KEYS: index, entry. ARGV: now (s), ends (s), seconds, size, max bytes, digest, value, entry prefix.
_PUT = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
local room = tonumber(ARGV[5]) - tonumber(ARGV[4])
if room < 0 then return 0 end
local used = 0
local kept = redis.call('ZRANGE', KEYS[1], 0, -1)
for _, member in ipairs(kept) do used = used + tonumber(string.match(member, '^%d+')) end
for _, member in ipairs(kept) do
  if used <= room then break end
  used = used - tonumber(string.match(member, '^%d+'))
  redis.call('ZREM', KEYS[1], member)
  redis.call('DEL', ARGV[8] .. string.match(member, ':(.*)$'))
end
redis.call('SET', KEYS[2], ARGV[7], 'EX', ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[4] .. ':' .. ARGV[6])
redis.call('EXPIRE', KEYS[1], 86400)
return 1
"""


class EventCache:
    """Lines by what determines them: plant, catalogue, domain, line size and ids.

    A cache that cannot be reached is an empty one: it never fails a trace.
    """

    def __init__(self, redis: Redis, keys: Keys, max_bytes: int) -> None:
        self._redis = redis
        self._keys = keys
        self._max_bytes = max_bytes
        self._put = redis.register_script(_PUT)

    async def get(self, key: Sequence[str]) -> list[Rows] | None:
        """The lines kept under `key`, or None."""
        try:
            async with asyncio.timeout(SECONDS):
                kept = await self._redis.get(self._keys.cached(_digest(key)))
            return None if kept is None else _unpack(kept)
        except (RedisError, OSError, ZstdError, ValueError):
            return None

    async def put(self, key: Sequence[str], rows: list[Rows], seconds: int) -> None:
        """Keep lines for `seconds`; older ones make room."""
        digest, value = _digest(key), _pack(rows)
        try:
            async with asyncio.timeout(SECONDS):
                now = int((await self._redis.time())[0])
                await self._put(
                    keys=[self._keys.cache_index, self._keys.cached(digest)],
                    args=[
                        now,
                        now + seconds,
                        seconds,
                        len(value),
                        self._max_bytes,
                        digest,
                        value,
                        self._keys.cached(""),
                    ],
                )
        except (RedisError, OSError):
            return


def _digest(key: Sequence[str]) -> str:
    return hashlib.sha256("\x00".join((FORMAT, *key)).encode()).hexdigest()


def _pack(rows: list[Rows]) -> bytes:
    head = json.dumps([[len(part.data), part.count, sorted(part.containers)] for part in rows]).encode()
    return compress(b"\n".join((head, b"".join(part.data for part in rows))))


def _unpack(value: bytes) -> list[Rows]:
    head, _, body = inflate(value).partition(b"\n")
    rows, at = [], 0
    for length, count, containers in json.loads(head):
        rows.append(Rows(body[at : at + length], count, set(containers)))
        at += length
    return rows
