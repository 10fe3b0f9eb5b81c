"""Writing a job's result: lines become chunks, a unit's chunks become visible together, or not at all."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import OutOfMemoryError

from tracesvc import clock, meters
from tracesvc.encoders import in_encoder
from tracesvc.errors import LeaseLost, ResultTooLarge, StoreFull
from tracesvc.line_bytes import records_line
from tracesvc.lines import Fault, JobState
from tracesvc.results.codec import Frame, pack
from tracesvc.results.index import ChunkEntry, read_index
from tracesvc.results.keys import JobKeys
from tracesvc.results.lease import Lease, script
from tracesvc.results.lifetime import expire_together
from tracesvc.results.staging import drop_staged, stage, unstage
from tracesvc.results.status import read_status
from tracesvc.results.tally import DomainTally

# Frames that wait for their unit's commit in this process; past it they wait in Redis under hidden keys.
# One script took 15 ms for 8 chunks of 130 kB, so a commit never blocks Redis for much longer.
STAGE_BYTES: Final = 4 * 1024 * 1024

T = TypeVar("T")


@dataclass(slots=True)
class _Pending:
    """The lines of a domain's unit that is not committed yet."""

    entries: list[ChunkEntry] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    staged: list[str] = field(default_factory=list)
    bytes: int = 0
    records: int = 0


class JobSink:
    """The runner's sink that commits to Redis, under a lease.

    Every write carries the fencing token: `LeaseLost` is raised once another worker holds the job.
    Raises `ResultTooLarge` past `max_bytes`, `StoreFull` when Redis has no memory left.
    """

    def __init__(
        self, redis: Redis, lease: Lease, *, bell: str, running_ttl: int, final_ttl: int, max_bytes: int
    ) -> None:
        self._redis = redis
        self._lease = lease
        self._keys: JobKeys = lease.keys
        self._bell = bell
        self._running_ttl = running_ttl
        self._final_ttl = final_ttl
        self._max_bytes = max_bytes
        self._commit = redis.register_script(script("commit.lua"))
        self._note = redis.register_script(script("note.lua"))
        self.tallies: dict[str, DomainTally] = {}
        self._pending: dict[str, _Pending] = {}
        self._ended: set[str] = set()
        self._bytes = 0
        self._opened = time.monotonic()

    @property
    def job_id(self) -> str:
        """The job whose result this is."""
        return self._keys.job_id

    async def open(self, domains: Sequence[str], asked: int | None) -> None:
        """Read what earlier attempts committed of each domain; what they staged and never committed goes.

        While it is not known which containers are asked for (`asked` is None), no domain has begun.
        """
        await drop_staged(self._redis, self._keys, domains)
        self._bytes = int(await self._redis.hget(self._keys.meta, "bytes") or 0)  # type: ignore[misc]
        for domain in domains if asked is not None else ():
            await self._read(domain, asked or 0)

    def resume(self, domain: str) -> int:
        """Where the last worker's commits ended: the number of ids that are done."""
        return self.tallies[domain].ids_done

    async def _read(self, domain: str, asked: int) -> None:
        tally = DomainTally(domain, asked)
        for entry in await read_index(self._redis, self._keys, domain):
            tally.count_line(entry.count, entry.line_digest)
        coverage = await self._redis.get(self._keys.coverage(domain)) or b""
        tally.count_unit(coverage)
        names = [f"{domain}.{name}" for name in ("units_done", "error", "status")]
        done, fault, state = await self._redis.hmget(self._keys.meta, names)  # type: ignore[misc]
        if state not in {None, b"running"}:
            self._ended.add(domain)
        tally.units_done = int(done or 0)
        tally.error = Fault.model_validate_json(fault) if fault else None
        self.tallies[domain] = tally
        self._pending[domain] = _Pending()

    async def begin(self, domain: str, units: int) -> None:
        """The domain starts, or goes on, with `units` more statements to run."""
        tally = self.tallies[domain]
        tally.units_total = tally.units_done + units
        fields = self._fields(tally) | {f"{domain}.status": "running"}
        await self._say(fields, {"t": "start", "d": domain, "u": tally.units_total})

    async def add(self, domain: str, rows: bytes, count: int) -> None:
        """Make a line of `count` rows (a JSON array) part of the domain's unit in progress."""
        tally, pending = self.tallies[domain], self._pending[domain]
        batch = tally.batches + len(pending.entries)
        offset = tally.records + pending.records
        frame = await in_encoder(lambda: pack(records_line(domain, batch, offset, count, rows)))
        pending.entries.append(self._entry(batch, offset, count, frame))
        pending.frames.append(frame.data)
        pending.records += count
        pending.bytes += len(frame.data)
        if self._bytes + pending.bytes > self._max_bytes:
            raise self._too_large()
        if sum(map(len, pending.frames)) > STAGE_BYTES:
            await self._stage(domain, pending)

    async def drop(self, domain: str) -> None:
        """Forget the unit in progress: it will be fetched again."""
        staged = self._pending[domain].staged
        self._pending[domain] = _Pending()
        if staged:
            await unstage(self._redis, self._keys, domain, staged)

    async def commit(self, domain: str, coverage: bytes, error: Fault | None = None) -> None:
        """Make the unit in progress visible: chunks, index, log, counters, coverage, checkpoint."""
        pending = self._pending[domain]
        start = self.tallies[domain].ids_done
        tally = self.tallies[domain].copy()
        for entry in pending.entries:
            tally.count_line(entry.count, entry.line_digest)
        tally.count_unit(coverage)
        tally.error = error or tally.error
        tally.units_total = max(tally.units_total, tally.units_done)
        keys = self._keys
        names = [keys.meta, keys.lease, keys.log, keys.index(domain), keys.coverage(domain)]
        names += [keys.chunk(domain, entry.batch) for entry in pending.entries]
        staged = len(pending.staged)
        unit = {
            "token": self._lease.value,
            "ttl": self._running_ttl,
            "domain": domain,
            "from": start,
            "bytes": pending.bytes,
            "budget": self._max_bytes,
            "fields": _flat(self._fields(tally)),
            "chunks": [
                {
                    "score": entry.offset,
                    "member": entry.to_text(),
                    "staged": number if number <= staged else 0,
                }
                for number, entry in enumerate(pending.entries, start=1)
            ],
            "bell": self._bell,
            "job": keys.job_id,
        }
        args: list[str | bytes] = [json.dumps(unit), coverage, *pending.frames]

        async def whole() -> None:
            self._check(await self._run(self._commit, names + pending.staged, args))
            if staged:  # they have their final names now; what is left is the list of them
                await unstage(self._redis, self._keys, domain, pending.staged)
            meters.count_commit(domain, pending.entries, since=None if self._bytes else self._opened)
            self.tallies[domain] = tally
            self._pending[domain] = _Pending()
            self._bytes += pending.bytes

        await _uncut(whole())

    async def end(self, domain: str) -> None:
        """The domain is over; its last line stands in the log."""
        line = self.tallies[domain].end_line()
        fields = self._fields(self.tallies[domain]) | {f"{domain}.status": line.status}
        await self._say(fields, {"t": "end", "d": domain, "j": line.model_dump_json()})
        self._ended.add(domain)

    async def end_rest(self, error: Fault) -> None:
        """End every domain that has not ended: what was not reached counts as failed, for this reason."""
        for domain, tally in self.tallies.items():
            if domain not in self._ended:
                await self.drop(domain)
                tally.error = tally.error or error
                await self.end(domain)

    async def end_job(self, state: JobState, error: Fault | None) -> None:
        """The job is over; with an error, so are the domains that had not ended."""
        if error is not None:
            await self.end_rest(error)
        await self.finish(state, error)

    async def finish(self, state: JobState, error: Fault | None = None) -> None:
        """The job is over; from here on all of its keys share the final TTL."""
        moment = clock.now()
        failed = [name for name, tally in self.tallies.items() if tally.status != "ok"]
        text = error.model_dump_json() if error else ""
        fields = {
            "status": state,
            "finished_at": clock.to_text(moment),
            "finished_ms": int(moment.timestamp() * 1000),
            "expires_ms": int(moment.timestamp() * 1000) + self._final_ttl * 1000,
            "error": text,
            "failed_domains": json.dumps(failed),
            "ok": int(state == "finished" and not failed),
        }
        await self._say(fields, {"t": "state", "s": state, "j": text})
        status = await read_status(self._redis, self._keys)
        await expire_together(self._redis, self._keys, status, self._final_ttl)

    async def _stage(self, domain: str, pending: _Pending) -> None:
        first = len(pending.staged)
        names = [
            self._keys.staged(domain, self._lease.attempt, first + number)
            for number in range(len(pending.frames))
        ]
        frames = dict(zip(names, pending.frames, strict=True))
        await _storing(stage(self._redis, self._keys, domain, frames, self._running_ttl))
        pending.staged += names
        pending.frames.clear()

    async def _say(self, fields: Mapping[str, object], entry: Mapping[str, object]) -> None:
        note = {
            "token": self._lease.value,
            "ttl": self._running_ttl,
            "fields": _flat(fields),
            "entry": _flat(entry),
            "bell": self._bell,
            "job": self._keys.job_id,
        }
        names = [self._keys.meta, self._keys.lease, self._keys.log]
        self._check(await _uncut(self._run(self._note, names, [json.dumps(note)])))

    async def _run(self, command: AsyncScript, names: Sequence[str], args: Sequence[str | bytes]) -> object:
        return await _storing(command(keys=list(names), args=list(args)))

    def _check(self, answer: object) -> None:
        if answer == b"budget":
            raise self._too_large()
        if answer != b"ok":
            raise LeaseLost("This worker no longer holds the job, or the job no longer runs.")

    def _too_large(self) -> ResultTooLarge:
        return ResultTooLarge(
            f"The result is larger than {self._max_bytes} bytes. Ask for fewer containers or domains, "
            "or have TRACE_JOB_MAX_RESULT_BYTES raised."
        )

    @staticmethod
    def _entry(batch: int, offset: int, count: int, frame: Frame) -> ChunkEntry:
        return ChunkEntry(batch, offset, count, len(frame.data), frame.frame_digest, frame.line_digest)

    @staticmethod
    def _fields(tally: DomainTally) -> dict[str, object]:
        values = {
            "asked": tally.asked,
            "ids_done": tally.ids_done,
            "batches": tally.batches,
            "records": tally.records,
            "with_records": tally.with_records,
            "failed": tally.failed,
            "units_done": tally.units_done,
            "units_total": tally.units_total,
            "error": tally.error.model_dump_json() if tally.error else "",
        }
        return {f"{tally.domain}.{name}": value for name, value in values.items()}


def _flat(fields: Mapping[str, object]) -> list[str]:
    return [str(part) for pair in fields.items() for part in pair]


async def _storing(write: Awaitable[T]) -> T:
    try:
        return await write
    except OutOfMemoryError as error:
        message = "Redis has no memory left. Wait for older results to expire, or give it more memory."
        raise StoreFull(message) from error


async def _uncut(work: Coroutine[Any, Any, T]) -> T:
    """What is written is counted: a cancelled caller still waits until Redis has answered."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        task.exception()
        raise
