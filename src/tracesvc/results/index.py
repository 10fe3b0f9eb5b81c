"""Where a domain's chunks are: one entry a chunk, in the log and in the domain's index."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final, Self

from redis.asyncio import Redis

from tracesvc.results.keys import JobKeys

# The chunk that begins at or before an offset, and those that begin after it, at one moment.
# KEYS: index. ARGV: offset, the same as an open bound, the end as an open bound.
_FIND: Final = """
local before = redis.call('ZRANGE', KEYS[1], ARGV[1], '0', 'BYSCORE', 'REV', 'LIMIT', '0', '1')
return {before, redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], ARGV[3])}
"""


@dataclass(frozen=True, slots=True)
class ChunkEntry:
    """One stored line: its number, its first record's offset, its records, and what proves its frame."""

    batch: int
    offset: int
    count: int
    length: int
    frame_digest: str
    line_digest: str

    def to_text(self) -> str:
        """As it stands in log and index."""
        return ":".join(map(str, astuple(self)))

    @classmethod
    def from_text(cls, text: bytes) -> Self:
        """The inverse of `to_text`."""
        batch, offset, count, length, frame_digest, line_digest = text.decode().split(":")
        return cls(int(batch), int(offset), int(count), int(length), frame_digest, line_digest)


async def read_index(redis: Redis, keys: JobKeys, domain: str) -> list[ChunkEntry]:
    """All committed chunks of a domain, in batch order."""
    members = await redis.zrange(keys.index(domain), 0, -1)
    return [ChunkEntry.from_text(member) for member in members]


async def find_chunks(redis: Redis, keys: JobKeys, domain: str, offset: int, limit: int) -> list[ChunkEntry]:
    """The chunks that overlap records [offset, offset + limit): two range reads, whatever the offset."""
    name = keys.index(domain)
    found = await redis.eval(_FIND, 1, name, str(offset), f"({offset}", f"({offset + limit}")  # type: ignore[misc]
    before, inside = found
    entries = [ChunkEntry.from_text(member) for member in [*before, *inside]]
    return [entry for entry in entries if entry.offset + entry.count > offset]
