"""Reading a job's result as a stream, while it runs or after, from its log and chunks."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import Redis

from tracesvc.catalogue import Catalogue
from tracesvc.clock import to_text
from tracesvc.errors import ChunkCorrupt, ChunkMissing, JobNotFound
from tracesvc.lines import ColumnInfo, DomainEndLine, DomainStartLine, JobState, MetaLine, ProgressLine
from tracesvc.results.bell import Bell, Ring
from tracesvc.results.codec import is_intact
from tracesvc.results.cursor import Cursor, cursor_fault
from tracesvc.results.index import ChunkEntry
from tracesvc.results.keys import JobKeys
from tracesvc.results.lifetime import prolong
from tracesvc.results.pieces import Piece, Pieces, Records, complete_line, error_line, warning_of
from tracesvc.results.status import ENDED, JobStatus, read_status

PROGRESS_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 1.0
# Chunks read ahead of the client in one round trip.
CHUNKS_A_READ: Final = 4
LOG_ENTRIES_A_READ: Final = 500
PROLONGINGS_PER_TTL: Final = 8
CANCELLED: Final = {"code": "JOB_CANCELLED", "message": "The job was cancelled or deleted while it was read."}


@dataclass(slots=True)
class _Tail:
    """What the log has said so far of one domain."""

    chunks: deque[ChunkEntry] = field(default_factory=deque)
    units: int | None = None
    end: DomainEndLine | None = None

    def skip_to(self, batch: int) -> None:
        """Leave out what the client holds already."""
        while self.chunks and self.chunks[0].batch < batch:
            self.chunks.popleft()


class JobStream:
    """One client's way through a job's result.

    Yields pieces in the grammar of protocol.md, section 2. Holds the log's entries that are not sent yet
    (about 150 bytes a chunk) and at most `CHUNKS_A_READ` chunks.
    """

    def __init__(
        self, redis: Redis, keys: JobKeys, bell: Bell, catalogue: Catalogue, ttl_seconds: int
    ) -> None:
        """`ttl_seconds`: how long a result stays; one that is being read stays longer."""
        self._ttl_seconds = ttl_seconds
        self._prolonged_at = -math.inf
        self._redis = redis
        self._keys = keys
        self._bell = bell
        self._catalogue = catalogue
        self._last_id = "0"
        self._live = False
        self._tails: dict[str, _Tail] = {}
        self._state: JobState | None = None
        self._error: dict[str, Any] | None = None
        self._progress_at = time.monotonic()
        self.cursor: Cursor | None = None

    async def pieces(self, status: JobStatus, domains: Sequence[str], after: Cursor | None) -> Pieces:
        """The whole stream of `domains`, from the cursor on; follows the job until it ends.

        The cursor must have been checked by `check_cursor`. Raises `ChunkMissing` or `ChunkCorrupt`.
        """
        self._tails = {domain: _Tail() for domain in domains}
        self._live = not status.ended
        yield MetaLine(
            job_id=status.job_id,
            profile=status.profile,
            domains=list(domains),
            cid_count=status.cid_count,
            batch_size=status.batch_size,
            live=self._live,
            created_at=to_text(status.created_at) if status.created_at else None,
            resumed_after=str(after) if after else None,
        )
        at = list(domains).index(after.domain) if after else 0
        with self._bell.watch(self._keys.job_id) as ring:
            for domain in domains[at:]:
                skip = after.batch + 1 if after and domain == after.domain else 0
                async for piece in self._domain(domain, skip, ring):
                    yield piece
                if self._tails[domain].end is None:
                    break
            async for piece in self._until(lambda: False, ring):
                yield piece
        for piece in await self._last(list(domains)):
            yield piece

    async def _domain(self, domain: str, skip: int, ring: Ring) -> Pieces:
        tail = self._tails[domain]
        await self._read_log()
        async for piece in self._until(lambda: tail.units is not None, ring):
            yield piece
        if tail.units is None and tail.end is None:
            return
        yield self._start_line(domain, tail)
        while tail.chunks or tail.end is None:
            if self._progress_is_due():
                yield await self._progress()
            tail.skip_to(skip)
            if tail.chunks:
                async for records in self._send(domain, tail):
                    yield records
            elif tail.end is None and self._state in ENDED:
                return
            elif tail.end is None:
                async for piece in self._wait(ring):
                    yield piece
        yield tail.end

    async def _send(self, domain: str, tail: _Tail) -> AsyncIterator[Records]:
        await self._prolong()
        entries = [tail.chunks.popleft() for _ in range(min(CHUNKS_A_READ, len(tail.chunks)))]
        frames = await read_frames(self._redis, self._keys, domain, entries)
        for entry in entries:
            try:
                frame = next(frames)
            except ChunkMissing:
                await read_status(self._redis, self._keys)  # gone with its job: that is another error
                raise
            yield Records(domain, frame=frame)
            self.cursor = Cursor(domain, entry.batch)

    async def _prolong(self) -> None:
        """Now and then: what is read must not expire under the reader."""
        if time.monotonic() - self._prolonged_at < self._ttl_seconds / PROLONGINGS_PER_TTL:
            return
        self._prolonged_at = time.monotonic()
        await prolong(self._redis, self._keys, await read_status(self._redis, self._keys), self._ttl_seconds)

    async def _wait(self, ring: Ring) -> AsyncIterator[Piece]:
        """Until something is committed; progress lines while nothing is."""
        while not await self._read_log():
            await ring.wait(LOOK_SECONDS)
            if self._progress_is_due():
                yield await self._progress()

    async def _until(self, done: Callable[[], bool], ring: Ring) -> AsyncIterator[Piece]:
        while not done() and self._state not in ENDED:
            async for piece in self._wait(ring):
                yield piece

    def _progress_is_due(self) -> bool:
        due = time.monotonic() - self._progress_at >= PROGRESS_SECONDS
        return due and self._live and self._state not in ENDED

    async def _progress(self) -> ProgressLine:
        self._progress_at = time.monotonic()
        status = await read_status(self._redis, self._keys)
        return ProgressLine(
            status=status.state,
            stage=status.stage,
            elapsed_seconds=status.elapsed_seconds,
            records=status.records,
            domains=status.progress(),
        )

    async def _read_log(self) -> bool:
        """Take in what is new in the log; whether anything was."""
        anything = False
        while True:
            entries = await self._redis.xrange(
                self._keys.log, min=f"({self._last_id}", count=LOG_ENTRIES_A_READ
            )
            for entry_id, fields in entries:
                self._last_id = entry_id.decode()
                self._take({name.decode(): value.decode() for name, value in fields.items()})
                anything = True
            if len(entries) < LOG_ENTRIES_A_READ:
                break
        if not anything and not await self._redis.exists(self._keys.meta):
            self._state, self._error = "cancelled", CANCELLED
            return True
        return anything

    def _take(self, entry: dict[str, str]) -> None:
        if entry["t"] == "state":
            self._state = entry["s"]  # type: ignore[assignment]
            self._error = json.loads(entry["j"]) if entry.get("j") else None
            return
        tail = self._tails.get(entry["d"])
        if tail is None:
            return
        if entry["t"] == "start":
            tail.units = int(entry["u"])
        elif entry["t"] == "chunk":
            tail.chunks.append(ChunkEntry.from_text(entry["e"].encode()))
        else:
            tail.end = DomainEndLine.model_validate_json(entry["j"])

    def _start_line(self, domain: str, tail: _Tail) -> DomainStartLine:
        return start_line(
            self._catalogue,
            domain,
            units=tail.units or 0,
            total=None if self._live or tail.end is None else tail.end.count,
        )

    async def _last(self, domains: list[str]) -> list[Piece]:
        ends = [tail.end for domain in domains if (tail := self._tails[domain]).end is not None]
        if self._state == "finished":
            try:
                elapsed = (await read_status(self._redis, self._keys)).elapsed_seconds
            except JobNotFound:
                return [error_line(CANCELLED)]
            warning = warning_of(ends)
            return [*([warning] if warning else []), complete_line(ends, elapsed)]
        return [error_line(self._error or CANCELLED)]


def start_line(catalogue: Catalogue, domain: str, *, units: int | None, total: int | None) -> DomainStartLine:
    """A domain's first line, with the catalogue's columns."""
    spec = catalogue.domains.get(domain)
    columns = [ColumnInfo(name=column.name, type=column.type) for column in spec.columns] if spec else []
    return DomainStartLine(domain=domain, columns=columns, total_batches=units, total=total)


async def read_frames(
    redis: Redis, keys: JobKeys, domain: str, entries: Sequence[ChunkEntry]
) -> Iterator[bytes]:
    """The stored frames of these chunks, read at once, each checked against the log when its turn comes.

    Going on to one that is gone or damaged raises `ChunkMissing` or `ChunkCorrupt`.
    """
    names = [keys.chunk(domain, entry.batch) for entry in entries]
    frames = await redis.mget(names) if names else []
    return (_checked(domain, entry, frame) for entry, frame in zip(entries, frames, strict=True))


def _checked(domain: str, entry: ChunkEntry, frame: bytes | None) -> bytes:
    if frame is None:
        raise ChunkMissing(f"Chunk {entry.batch} of {domain} is no longer stored. Run the trace again.")
    if not is_intact(frame, entry.length, entry.frame_digest):
        raise ChunkCorrupt(f"Chunk {entry.batch} of {domain} is damaged in the store. Run the trace again.")
    return frame


def check_cursor(status: JobStatus, domains: Sequence[str], after: Cursor) -> None:
    """Refuse a cursor that the job does not know, or a batch that is not committed yet (422)."""
    if after.domain not in domains:
        raise cursor_fault(f"the stream has no domain {after.domain}; it has {', '.join(domains)}")
    if after.batch >= status.number(after.domain, "batches"):
        raise cursor_fault(f"batch {after.batch} of {after.domain} is not committed")
