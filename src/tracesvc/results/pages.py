"""Pages of a domain: only the chunks that a page overlaps are read, at any offset (protocol.md, 3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
from redis.asyncio import Redis

from tracesvc.errors import ChunkMissing
from tracesvc.line_bytes import rows_of
from tracesvc.results.codec import inflate
from tracesvc.results.index import ChunkEntry, find_chunks
from tracesvc.results.keys import JobKeys
from tracesvc.results.reader import read_frames
from tracesvc.results.rows import slice_rows
from tracesvc.results.status import JobStatus, read_status


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which records of which domain; `first_column` is the key that every record begins with."""

    domain: str
    offset: int
    limit: int
    first_column: str


def page_head(job_id: str, ask: PageRequest, *, total: int, complete: bool) -> dict[str, Any]:
    """The members of a page before `data`."""
    count = max(0, min(ask.limit, total - ask.offset))
    end = ask.offset + count
    return {
        "job_id": job_id,
        "domain": ask.domain,
        "offset": ask.offset,
        "limit": ask.limit,
        "count": count,
        "total": total,
        "complete": complete,
        "next_offset": None if complete and end >= total else end,
    }


def open_page(head: dict[str, Any]) -> bytes:
    """The beginning of a page's document, up to its first record."""
    return orjson.dumps(head)[:-1] + b',"data":['


async def read_page(redis: Redis, keys: JobKeys, status: JobStatus, ask: PageRequest) -> AsyncIterator[bytes]:
    """One page of what is committed, as JSON; raises `ChunkMissing`, `ChunkCorrupt` before its first byte."""
    head = page_head(
        status.job_id,
        ask,
        total=status.number(ask.domain, "records"),
        complete=status.domain_ended(ask.domain),
    )
    entries = await find_chunks(redis, keys, ask.domain, ask.offset, head["count"]) if head["count"] else []
    stop = ask.offset + head["count"]
    found = sum(min(entry.offset + entry.count, stop) - max(entry.offset, ask.offset) for entry in entries)
    if found != head["count"]:
        raise ChunkMissing(f"The index of {ask.domain} is not whole. Run the trace again.")
    # All of them before the first byte is sent: at most 50,000 records, compressed.
    try:
        frames = list(await read_frames(redis, keys, ask.domain, entries))
    except ChunkMissing:
        await read_status(redis, keys)  # gone with its job: that is another error
        raise
    return _body(ask, head, entries, frames)


async def _body(
    ask: PageRequest, head: dict[str, Any], entries: list[ChunkEntry], frames: list[bytes]
) -> AsyncIterator[bytes]:
    stop = ask.offset + head["count"]
    yield open_page(head)
    for number, (entry, frame) in enumerate(zip(entries, frames, strict=True)):
        rows = await asyncio.to_thread(_cut, frame, entry, ask, stop)
        yield b"," + rows if number else rows
    yield b"]}"


def _cut(frame: bytes, entry: ChunkEntry, ask: PageRequest, stop: int) -> bytes:
    rows = rows_of(inflate(frame))
    begin, end = max(0, ask.offset - entry.offset), min(entry.count, stop - entry.offset)
    if (begin, end) == (0, entry.count):
        return rows[1:-1]
    return slice_rows(rows, ask.first_column, begin, end)[1:-1]
