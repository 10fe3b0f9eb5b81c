"""The client side of the queue: submit, single flight, cancel, and who works.

arq only carries the job id from here to some worker; the question and all state are in the job's own keys.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import time
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson
from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, RedisError

from tracesvc import clock, spans
from tracesvc.audit import audit_job
from tracesvc.errors import JobNotFound, QueueFull, StoreFull
from tracesvc.query import TraceQuery, read_query
from tracesvc.register import ANY, JobRegister, Outcome, QueueLimits
from tracesvc.results.bell import ring
from tracesvc.results.codec import compress, inflate
from tracesvc.results.keys import Keys
from tracesvc.results.lease import script
from tracesvc.results.lifetime import result_keys
from tracesvc.results.stage_lines import KINDS
from tracesvc.results.staging import drop_staged
from tracesvc.results.status import JobStatus, read_status

logger = logging.getLogger(__name__)

JOB_FUNCTION: Final = "run_trace"
# arq holds a message for its function's time limit and this; it is not renewed, so a dead worker's stays.
ARQ_MARGIN_SECONDS: Final = 10
ID_BYTES: Final = 18
SILENT_SECONDS: Final = 15
CANCELLED: Final = {"code": "JOB_CANCELLED", "message": "The job was cancelled."}
MOST_TURNS: Final = 5
"""How often a question is looked at anew when others who ask the same were faster."""
NO_ROOM: Final = "Redis has no memory left for another job. Wait for results to expire, or give it more."
RETRY_AFTER: Final = {"Retry-After": "10"}


def serialize(message: dict[str, Any]) -> bytes:
    """Arq's messages as JSON (its own default would be pickle)."""
    return orjson.dumps(message, default=str)


def deserialize(data: bytes) -> dict[str, Any]:
    """The inverse of `serialize`."""
    message: dict[str, Any] = orjson.loads(data)
    return message


class Submitted(NamedTuple):
    """A job that answers the question; `deduplicated` when it was there already."""

    job_id: str
    deduplicated: bool
    state: str
    cid_count: int | None  # None until its seeds are resolved


class JobQueue:
    """Submits, finds and cancels jobs."""

    def __init__(self, redis: Redis, results: Redis, keys: Keys, limits: QueueLimits) -> None:
        """`redis` carries the queue and the register; `results` holds the jobs' own keys."""
        self._redis = redis
        self._results = results
        self._keys = keys
        self._limits = limits
        self._arq = ArqRedis(
            connection_pool=redis.connection_pool,
            job_serializer=serialize,
            job_deserializer=deserialize,
            default_queue_name=limits.queue,
        )
        self._register = JobRegister(redis, keys, limits)
        self._create = results.register_script(script("create.lua"))
        self._cancel = results.register_script(script("cancel.lua"))

    async def workers(self) -> dict[str, float]:
        """Workers of the queue that announced themselves lately: name to seconds since."""
        now = time.time()
        found = await self._redis.zrangebyscore(
            self._keys.workers(self._limits.workers), now - SILENT_SECONDS, "+inf", withscores=True
        )
        return {name.decode(): round(max(0.0, now - at), 1) for name, at in found}

    async def waiting(self) -> tuple[int, float]:
        """How many messages no worker has taken yet, and for how many seconds the first has waited.

        arq leaves a message in its queue until the job is done; one that was taken has a key beside it. Both
        go at once, so that a message without a key that has left the queue meanwhile is done.
        """
        queued = await self._redis.zrange(self._limits.queue, 0, -1, withscores=True)
        async with self._redis.pipeline(transaction=False) as pipe:
            for message, _ in queued:
                pipe.exists(in_progress_key_prefix + message.decode())
                pipe.zscore(self._limits.queue, message)
            found = await pipe.execute()
        taken, still = found[::2], found[1::2]
        since = [
            at / 1000 for is_taken, at in zip(taken, still, strict=True) if not is_taken and at is not None
        ]
        return len(since), max(0.0, time.time() - since[0]) if since else 0.0

    async def active_jobs(self) -> int:
        """How many jobs wait or run."""
        return await self._register.count_active()

    async def active_ids(self) -> list[str]:
        """Which these are."""
        return await self._register.active()

    async def submit(
        self, query: TraceQuery, owner: str, *, batch_size: int, fresh_seconds: int, renew: bool
    ) -> Submitted:
        """Queue a trace, or give the job that answers it already. Raises `QueueFull`, `StoreFull`."""
        digest = query.digest(owner)
        for turn in range(MOST_TURNS):
            standing = await self._register.look(digest, owner)
            if standing.job_id and not renew:
                same = await self._answering(standing.job_id, fresh_seconds)
                if same is not None:
                    return same
            if standing.full:
                raise self._full(standing.full)
            anyway = renew or turn == MOST_TURNS - 1
            new = await self._enter(query, owner, batch_size, instead=ANY if anyway else standing.job_id)
            if new is not None:
                return new
        raise AssertionError("the last turn asks for no agreement")

    async def _answering(self, job_id: str, fresh_seconds: int) -> Submitted | None:
        """This job, when it answers the question: it waits, runs, or ended well and not long ago."""
        names = ["status", "ok", "finished_ms", "cid_count"]
        found = await self._results.hmget(self._keys.job(job_id).meta, names)  # type: ignore[misc]
        state, whole, finished_ms, count = ((raw or b"").decode() for raw in found)
        fresh = state == "finished" and whole == "1" and finished_ms
        age_ms = time.time() * 1000 - int(finished_ms) if fresh else 0
        if state in {"queued", "running"} or (fresh and age_ms < 1000 * fresh_seconds):
            return Submitted(job_id, True, state, int(count) if count else None)
        return None

    async def _enter(
        self, query: TraceQuery, owner: str, batch_size: int, *, instead: str
    ) -> Submitted | None:
        """A new job, first its keys, then its entry; None when another was entered for the question."""
        job_id = f"trace-evt-{secrets.token_urlsafe(ID_BYTES)}"
        job, digest = self._keys.job(job_id), query.digest(owner)
        fields = self._first_fields(query, owner, digest, batch_size, clock.now())
        pairs = [str(part) for pair in fields.items() for part in pair]
        request = compress(query.model_dump_json().encode())
        names = [job.meta, job.request, job.log]
        outcome: Outcome = "changed"
        try:
            await self._create(keys=names, args=[str(self._limits.running_ttl_seconds), request, *pairs])
            outcome = await self._register.claim(job_id, digest, owner, instead=instead)
            if outcome == "new":
                await self.queue_attempt(job_id, 1)
        except OutOfMemoryError as error:
            await asyncio.shield(self._withdraw(job_id))
            raise StoreFull(NO_ROOM) from error
        except BaseException:
            # Nobody would ever run it, and the next one who asks would be given it.
            await asyncio.shield(self._withdraw(job_id))
            raise
        if outcome == "new":
            logger.info("%s: queued, %d containers", job_id, len(query.container_ids))
            return Submitted(job_id, False, "queued", query.cid_count)
        await self._results.unlink(*names)
        if outcome != "changed":
            raise self._full(outcome)
        return None

    def _first_fields(
        self, query: TraceQuery, owner: str, digest: str, batch_size: int, now: datetime
    ) -> dict[str, object]:
        """The meta hash of a new job."""
        expires = now + timedelta(seconds=self._limits.running_ttl_seconds)
        fields: dict[str, object] = {
            "status": "queued",
            "stage": query.stages[0],
            "stages": json.dumps(query.stages),
            "profile": query.profile,
            "cid_count": "" if query.cid_count is None else query.cid_count,
            "domains": json.dumps(query.domain_names),
            "batch_size": batch_size,
            "created_at": clock.to_text(now),
            "expires_ms": int(expires.timestamp() * 1000),
            "owner": owner,
            "digest": digest,
        }
        return fields | spans.carried()

    async def queue_attempt(self, job_id: str, attempt: int) -> bool:
        """Put the job's id before the workers; each attempt is a message of its own. Raises `StoreFull`.

        False when that message is there already.
        """
        try:
            queued = await self._arq.enqueue_job(
                JOB_FUNCTION, job_id, _job_id=f"{job_id}:{attempt}", _queue_name=self._limits.queue
            )
        except OutOfMemoryError as error:
            raise StoreFull(NO_ROOM) from error
        return queued is not None

    async def claimed_seconds_ago(self, job_id: str, attempt: int) -> float | None:
        """When a worker took this attempt's message from the queue; None while it waits there."""
        left = await self._redis.pttl(in_progress_key_prefix + f"{job_id}:{attempt}")
        whole = self._limits.message_seconds + ARQ_MARGIN_SECONDS
        return None if left < 0 else max(0.0, whole - left / 1000)

    async def discard_messages(self, job_id: str, attempts: int) -> None:
        """Take what arq still holds of a job's messages out of Redis."""
        messages = [f"{job_id}:{attempt}" for attempt in range(1, attempts + 1)]
        prefixes = (job_key_prefix, in_progress_key_prefix, retry_key_prefix)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zrem(self._limits.queue, *messages)
            pipe.unlink(*(prefix + message for prefix in prefixes for message in messages))
            await pipe.execute()

    async def _withdraw(self, job_id: str) -> None:
        with contextlib.suppress(RedisError, OSError, JobNotFound):
            await self.forget(await read_status(self._results, self._keys.job(job_id)))

    def _full(self, outcome: str) -> QueueFull:
        if outcome == "queue full":
            return QueueFull(
                f"{self._limits.most} jobs wait or run already. Try again soon.", headers=RETRY_AFTER
            )
        message = (
            f"You have {self._limits.most_of_caller} jobs waiting or running. Wait for one, or cancel one."
        )
        return QueueFull(message, headers=RETRY_AFTER)

    async def load(self, job_id: str) -> TraceQuery | None:
        """The question of a job, or None when it is gone."""
        stored = await self._results.get(self._keys.job(job_id).request)
        return None if stored is None else read_query(inflate(stored))

    async def jobs(self, owner: str, limit: int) -> list[JobStatus]:
        """The caller's jobs that still exist, newest first; everybody's for the owner ''."""
        found: list[JobStatus] = []
        for job_id in await self._register.of_owner(owner):
            try:
                found.append(await read_status(self._results, self._keys.job(job_id)))
            except JobNotFound:
                await self._register.unlist(job_id, owner)
            if len(found) == limit:
                break
        return found

    async def cancel(self, job_id: str) -> tuple[str, bool]:
        """Mark the job: its status before ('' for none), and whether a worker still holds it."""
        job = self._keys.job(job_id)
        names = [job.meta, job.log, job.lease]
        args = [job_id, json.dumps(CANCELLED), self._keys.bell, self._keys.signals]
        before, held = [part.decode() for part in await self._cancel(keys=names, args=args)]
        if before in {"queued", "running"}:
            logger.info("%s: cancelled while %s", job_id, before)
            if not held:  # else its worker says how far it came
                with contextlib.suppress(JobNotFound):
                    audit_job(await read_status(self._results, job))
        return before, bool(held)

    async def forget(self, status: JobStatus) -> None:
        """Delete every key of a job that has ended, and all that names it, at once."""
        job_id, job = status.job_id, self._keys.job(status.job_id)
        await drop_staged(self._results, job, [*status.domains, *KINDS.values()])
        await self._results.unlink(job.meta, job.lease, job.legacy, *result_keys(job, status))
        await self.discard_messages(job_id, status.attempt + 1)
        await self._register.strike(job_id, status.fields.get("digest", ""), status.owner)
        await ring(self._results, job, self._keys.bell)

    async def settle(self, status: JobStatus) -> None:
        """The job no longer waits or runs: it counts against no limit."""
        await self._register.settle(status.job_id, status.owner, status.fields.get("digest", ""))

    async def settle_lost(self, job_id: str) -> None:
        """The same for one of which nothing is left."""
        await self._register.settle(job_id, "", "")
