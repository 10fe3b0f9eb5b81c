"""A job's status, read from its own hash (protocol.md, 4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from redis.asyncio import Redis

from tracesvc import clock
from tracesvc.errors import JobNotFound
from tracesvc.lines import DomainProgress, JobState
from tracesvc.query import StageName
from tracesvc.results.keys import JobKeys

# KEYS: meta, lease.
_HELD: Final = "return {redis.call('HGETALL', KEYS[1]), redis.call('EXISTS', KEYS[2])}"
ENDED = ("finished", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What the meta hash of one job says."""

    job_id: str
    state: JobState
    profile: str | None
    cid_count: int | None
    domains: tuple[str, ...]
    batch_size: int
    attempt: int
    owner: str
    created_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    stage: str = "events"
    bytes: int = 0
    error: dict[str, Any] | None = None
    failed_domains: tuple[str, ...] = ()
    stages: tuple[StageName, ...] = ("events",)
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    legacy: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing more will be committed."""
        return self.state in ENDED

    @property
    def attempts_begun(self) -> int:
        """How many workers have begun it; 0 while it waits for the first."""
        return int(self.fields.get("attempt", 0))

    @property
    def lost_attempts(self) -> int:
        """How many of them did not bring it to its end, those apart that handed it back when they stopped."""
        return self.attempts_begun - int(self.fields.get("handed_back", 0))

    def overdue_seconds(self, limit: float) -> float:
        """By how much it has waited, or run since its first worker, longer than `limit`."""
        begun = self.started_at or self.created_at or clock.now()
        return (clock.now() - begun).total_seconds() - limit

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the job was asked for; stands still after its end."""
        if self.created_at is None:
            return 0.0
        return round(((self.finished_at or clock.now()) - self.created_at).total_seconds(), 3)

    @property
    def seconds_left(self) -> float:
        """Until the result goes."""
        return (self.expires_at - clock.now()).total_seconds() if self.expires_at else 0.0

    def number(self, domain: str, name: str) -> int:
        """A domain's counter, 0 before it began."""
        return int(self.fields.get(f"{domain}.{name}", 0))

    def domain_status(self, domain: str) -> str:
        """`queued`, `running`, or how it ended: `ok`, `partial`, `failed`."""
        return self.fields.get(f"{domain}.status", "queued")

    def domain_ended(self, domain: str) -> bool:
        """Whether the domain's last record is committed."""
        return self.ended or self.domain_status(domain) not in {"queued", "running"}

    @property
    def records(self) -> int:
        """Records committed so far, over all domains."""
        return sum(self.number(domain, "records") for domain in self.domains)

    def progress(self) -> dict[str, DomainProgress]:
        """How far each domain is."""
        return {
            domain: DomainProgress(
                batches_done=self.number(domain, "units_done"),
                batches_total=self.number(domain, "units_total"),
                records=self.number(domain, "records"),
            )
            for domain in self.domains
        }

    def document(self, waiting_statements: int = 0) -> dict[str, Any]:
        """The status as protocol.md, section 4, shows it; `waiting_statements` wait for a database slot."""
        return {
            "job_id": self.job_id,
            "status": self.state,
            "stage": self.stage,
            "profile": self.profile,
            "cid_count": self.cid_count,
            "domains": list(self.domains),
            "progress": self._progress_document(waiting_statements),
            "attempt": self.attempt,
            "created_at": _text(self.created_at),
            "started_at": _text(self.started_at),
            "finished_at": _text(self.finished_at),
            "expires_at": _text(self.expires_at),
            "elapsed_seconds": self.elapsed_seconds,
            "failed_domains": list(self.failed_domains),
            "error": self.error,
        }

    def _progress_document(self, waiting_statements: int) -> dict[str, Any]:
        asked = sum(self.cid_count or 0 for _ in self.domains)
        done = sum(self.number(domain, "ids_done") for domain in self.domains)
        share = 1.0 if self.state == "finished" else min(done / asked, 1.0) if asked else 0.0
        running = (
            ((self.finished_at or clock.now()) - self.started_at).total_seconds() if self.started_at else 0.0
        )
        left = running * (1 - share) / share if share and running and not self.ended else None
        domains = {
            domain: {
                "status": self.domain_status(domain),
                **progress.model_dump(),
                "failed": self.number(domain, "failed"),
            }
            for domain, progress in self.progress().items()
        }
        return {
            "percent": int(share * 1000) / 10,
            "records": self.records,
            "bytes": self.bytes,
            "records_per_second": round(self.records / running) if running > 0 else 0,
            "eta_seconds": 0.0 if self.ended else None if left is None else round(left, 1),
            "waiting_statements": waiting_statements,
            "domains": domains,
        }


async def read_status(redis: Redis, keys: JobKeys) -> JobStatus:
    """The job's status; raises `JobNotFound` for an unknown, expired or deleted one."""
    return _parsed(keys, await redis.hgetall(keys.meta))  # type: ignore[misc]


async def read_held(redis: Redis, keys: JobKeys) -> tuple[JobStatus, bool]:
    """The job's status, and whether a worker holds it, both at the same moment; raises like `read_status`."""
    pairs, held = await redis.eval(_HELD, 2, keys.meta, keys.lease)  # type: ignore[misc]
    return _parsed(keys, dict(zip(pairs[::2], pairs[1::2], strict=True))), bool(held)


def _parsed(keys: JobKeys, raw: Mapping[bytes, bytes]) -> JobStatus:
    if not raw:
        raise no_such_job(keys.job_id)
    return parse_status(keys.job_id, {name.decode(): value.decode() for name, value in raw.items()})


def no_such_job(job_id: str) -> JobNotFound:
    """The error for a job that is not there, or not for this caller: both read alike."""
    return JobNotFound(f"There is no job {job_id[:80]}. It may have expired or been deleted; ask again.")


def parse_status(job_id: str, fields: Mapping[str, str]) -> JobStatus:
    """Make sense of a meta hash."""
    expires = fields.get("expires_ms")
    return JobStatus(
        job_id=job_id,
        state=fields["status"],  # type: ignore[arg-type]
        profile=fields.get("profile"),
        cid_count=int(count) if (count := fields.get("cid_count", "0")) else None,
        domains=tuple(json.loads(fields["domains"])),
        batch_size=int(fields.get("batch_size", 0)),
        attempt=max(1, int(fields.get("attempt", 0))),
        owner=fields.get("owner", ""),
        created_at=_moment(fields.get("created_at")),
        started_at=_moment(fields.get("started_at")),
        finished_at=_moment(fields.get("finished_at")),
        expires_at=datetime.fromtimestamp(int(expires) / 1000, UTC) if expires else None,
        stage=fields.get("stage", "events"),
        bytes=int(fields.get("bytes", 0)),
        error=json.loads(fields["error"]) if fields.get("error") else None,
        failed_domains=tuple(json.loads(fields.get("failed_domains", "[]"))),
        stages=tuple(json.loads(fields.get("stages", '["events"]'))),
        fields=fields,
    )


def _moment(text: str | None) -> datetime | None:
    return clock.from_text(text) if text else None


def _text(moment: datetime | None) -> str | None:
    return clock.to_text(moment) if moment else None
