"""What an analysis needs besides the records, kept with the job: its scope, detection rows and lineage.

The worker that reads them stores them once; whoever answers later, on any machine, reads them back.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import Any, Final, cast

from arro3.core import RecordBatch, Table
from arro3.io import read_ipc_stream, write_ipc_stream
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from tracesvc.errors import ChunkMissing, LeaseLost, StoreFull
from tracesvc.results.codec import compress, inflate
from tracesvc.results.keys import JobKeys
from tracesvc.results.lease import Lease
from tracesvc.results.status import JobStatus

NAMES: Final = ("lots", "rejects", "workflows", "families", "members", "roots")
"""The inputs, by the names that `aggregation.file` takes them under."""

ABOUT: Final = "analysis"
# Rows of one stored chunk: two ids a row, 50,000 pairs are 0.5 MB compressed.
CHUNK_ROWS: Final = 50_000
# KEYS: lease, meta. ARGV: token, ttl, field, value. An input is there once its field is.
_STATE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lease' end
if redis.call('HGET', KEYS[2], 'status') ~= 'running' then return 'state' end
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 'ok'
"""


async def store_inputs(
    redis: Redis,
    lease: Lease,
    name: str,
    batches: Iterable[RecordBatch] | AsyncIterable[RecordBatch],
    *,
    ttl_seconds: int,
) -> None:
    """Keep one of `NAMES` with the job, in place of what an earlier attempt kept; holds one chunk at a time.

    Raises `LeaseLost`, and `StoreFull` when Redis has no memory left.
    """
    assert name in NAMES, name
    count = 0
    try:
        async for chunk in _chunks(batches):
            await redis.set(lease.keys.input(name, lease.attempt, count), _pack(chunk), ex=ttl_seconds)
            count += 1
        await _state(redis, lease, f"{ABOUT}.{name}", f"{lease.attempt}:{count}", ttl_seconds)
    except OutOfMemoryError as error:
        raise StoreFull(
            "Redis has no memory left. Wait for older results to expire, or give it more memory."
        ) from error


async def store_about(redis: Redis, lease: Lease, about: Mapping[str, Any], *, ttl_seconds: int) -> None:
    """Say that every input is there, and what the analysis is about (see `aggregation.loading.about`)."""
    await _state(redis, lease, ABOUT, json.dumps(dict(about)), ttl_seconds)


async def load_inputs(redis: Redis, job: JobKeys, status: JobStatus, name: str) -> AsyncIterator[Table]:
    """What `store_inputs` kept, a chunk at a time; nothing when it never did. Raises `ChunkMissing`."""
    for key in _keys_of(job, status, name):
        data = await redis.get(key)
        if data is None:
            raise ChunkMissing(f"The {name} of the analysis are no longer stored. Run the trace again.")
        yield read_ipc_stream(io.BytesIO(inflate(data))).read_all()


def about_of(status: JobStatus) -> dict[str, Any] | None:
    """What the analysis is about, or None when the job has none, or not yet."""
    stored = status.fields.get(ABOUT)
    return None if stored is None else cast("dict[str, Any]", json.loads(stored))


def stored_inputs(status: JobStatus) -> tuple[str, ...]:
    """The inputs that are stored: who takes the job over need not read them again."""
    return tuple(name for name in NAMES if f"{ABOUT}.{name}" in status.fields)


def input_keys(job: JobKeys, status: JobStatus) -> list[str]:
    """The keys of everything that is kept here."""
    return [key for name in NAMES for key in _keys_of(job, status, name)]


def _keys_of(job: JobKeys, status: JobStatus, name: str) -> list[str]:
    attempt, _, count = status.fields.get(f"{ABOUT}.{name}", "0:0").partition(":")
    return [job.input(name, int(attempt), number) for number in range(int(count))]


async def _state(redis: Redis, lease: Lease, field: str, value: str, ttl_seconds: int) -> None:
    args = [lease.value, str(ttl_seconds), field, value]
    answer = await redis.eval(_STATE, 2, lease.keys.lease, lease.keys.meta, *args)  # type: ignore[misc]
    if answer != b"ok":
        raise LeaseLost("This worker no longer holds the job, or the job no longer runs.")


async def _chunks(batches: Iterable[RecordBatch] | AsyncIterable[RecordBatch]) -> AsyncIterator[Table]:
    held: list[RecordBatch] = []
    async for batch in _each(batches):
        held.append(batch)
        if sum(one.num_rows for one in held) >= CHUNK_ROWS:
            yield Table.from_batches(held)
            held = []
    if held:
        yield Table.from_batches(held)


async def _each(batches: Iterable[RecordBatch] | AsyncIterable[RecordBatch]) -> AsyncIterator[RecordBatch]:
    if isinstance(batches, AsyncIterable):
        async for batch in batches:
            yield batch
    else:
        for batch in batches:
            yield batch


def _pack(table: Table) -> bytes:
    target = io.BytesIO()
    write_ipc_stream(table, target, compression=None)
    return compress(target.getvalue())
