"""The lines of a job that are no records, `seeds`, `lineage` and `aggregation`: one frame each, in parts.

A lineage of 100,000 containers is 40 MB of JSON. It is compressed while it is made, and stored and sent part
by part, so that nobody ever holds it whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

import zstandard
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from tracesvc.errors import ChunkCorrupt, ChunkMissing, LeaseLost, ResultTooLarge, StoreFull
from tracesvc.query import StageName
from tracesvc.results.codec import LEVEL
from tracesvc.results.keys import JobKeys
from tracesvc.results.lease import Lease, script
from tracesvc.results.pieces import LinePart
from tracesvc.results.staging import drop_staged, stage
from tracesvc.results.status import JobStatus, read_status

T = TypeVar("T")

PART_BYTES: Final = 128 * 1024
FULL: Final = "Redis has no memory left. Wait for older results to expire, or give it more memory."

Kind = Literal["seeds", "lineage", "aggregation"]
KINDS: Final[Mapping[StageName, Kind]] = {
    "seed-resolve": "seeds",
    "lineage": "lineage",
    "aggregation": "aggregation",
}
"""The line that a stage gives."""
BEFORE_EVENTS: Final[tuple[StageName, ...]] = ("seed-resolve", "lineage")


def is_committed(status: JobStatus, kind: Kind) -> bool:
    """Whether the job has this line already: who takes it over need not make it again."""
    return _field(kind) in status.fields


def line_keys(job: JobKeys, status: JobStatus) -> list[str]:
    """The keys of all parts of all these lines."""
    return [
        job.line(kind, number)
        for kind in KINDS.values()
        for number in range(int(status.fields.get(_field(kind), 0)))
    ]


def _field(kind: Kind) -> str:
    return f"line.{kind}"


@dataclass(frozen=True, slots=True)
class StageLines:
    """Where a job's stages leave their lines, under its lease.

    Raises `LeaseLost` once another worker holds the job, `ResultTooLarge` past `max_bytes`, `StoreFull`.
    """

    redis: Redis
    lease: Lease
    bell: str
    ttl: int
    max_bytes: int

    async def begin(self, name: str) -> None:
        """The job is at this stage now."""
        note = {
            "token": self.lease.value,
            "ttl": self.ttl,
            "fields": ["stage", name],
            "entry": ["t", "stage", "s", name],
            "bell": self.bell,
            "job": self.lease.keys.job_id,
        }
        keys = self.lease.keys
        names = [keys.meta, keys.lease, keys.log]
        self._check(await self.redis.eval(script("note.lua"), 3, *names, json.dumps(note)))  # type: ignore[misc]

    async def write(
        self,
        kind: Kind,
        pieces: AsyncGenerator[bytes],
        *,
        fields: Mapping[str, object] | None = None,
        request: bytes = b"",
    ) -> None:
        """Store the line whose `data` is the JSON in `pieces`; `fields` of the job change with it.

        `request` takes the place of the job's question, compressed.
        """
        keys = self.lease.keys
        await drop_staged(self.redis, keys, [kind])
        staged: list[str] = []
        entries: list[str] = []
        size = 0
        async with contextlib.aclosing(_parts(kind, pieces)) as parts:
            async for part in parts:
                staged.append(keys.staged(kind, self.lease.attempt, len(staged)))
                entries.append(f"{len(part)}:{hashlib.sha256(part).hexdigest()}")
                size += len(part)
                if size > self.max_bytes:
                    raise self._too_large()
                await self._store(stage(self.redis, keys, kind, {staged[-1]: part}, self.ttl))
        line = {
            "token": self.lease.value,
            "ttl": self.ttl,
            "bytes": size,
            "budget": self.max_bytes,
            "fields": _flat({_field(kind): len(staged), **(fields or {})}),
            "entry": ["t", "line", "k", kind, "e", ",".join(entries)],
            "bell": self.bell,
            "job": keys.job_id,
        }
        names = [keys.meta, keys.lease, keys.log, keys.request, keys.staged_index(kind), *staged]
        names += [keys.line(kind, number) for number in range(len(staged))]
        args: list[str | bytes] = [json.dumps(line), request]
        self._check(await self._store(self.redis.eval(script("line.lua"), len(names), *names, *args)))  # type: ignore[arg-type]

    def _check(self, answer: object) -> None:
        if answer == b"budget":
            raise self._too_large()
        if answer != b"ok":
            raise LeaseLost("This worker no longer holds the job, or the job no longer runs.")

    async def _store(self, write: Awaitable[T]) -> T:
        try:
            return await write
        except OutOfMemoryError as error:
            raise StoreFull(FULL) from error

    def _too_large(self) -> ResultTooLarge:
        return ResultTooLarge(
            f"The result is larger than {self.max_bytes} bytes. Ask for fewer containers, "
            "or have TRACE_JOB_MAX_RESULT_BYTES raised."
        )


async def read_line(
    redis: Redis, keys: JobKeys, kind: Kind, entries: Sequence[str]
) -> AsyncGenerator[LinePart]:
    """The parts of a line, each checked against the log. Raises `ChunkMissing`, `ChunkCorrupt`."""
    for number, entry in enumerate(entries):
        length, _, digest = entry.partition(":")
        data = await redis.get(keys.line(kind, number))
        if data is None:
            await read_status(redis, keys)  # gone with its job: that is another error
            raise ChunkMissing(f"A part of the {kind} line is no longer stored. Run the trace again.")
        if len(data) != int(length) or hashlib.sha256(data).hexdigest() != digest:
            raise ChunkCorrupt(f"A part of the {kind} line is damaged in the store. Run the trace again.")
        yield LinePart(kind, data, first=number == 0, last=number == len(entries) - 1)


async def _parts(kind: Kind, pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The line as one zstd frame, in parts of about `PART_BYTES`; an aggregation is one part."""
    packer = zstandard.ZstdCompressor(level=LEVEL).compressobj()
    held = bytearray(packer.compress(b'{"type":"%s","data":' % kind.encode()))
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            held += packer.compress(piece)
            if len(held) >= PART_BYTES and kind != "aggregation":
                yield bytes(held)
                held.clear()
    held += packer.compress(b"}\n")
    held += packer.flush()
    yield bytes(held)


def _flat(fields: Mapping[str, object]) -> list[str]:
    return [str(part) for pair in fields.items() for part in pair]
