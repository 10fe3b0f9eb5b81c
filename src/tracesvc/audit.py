"""The audit log: one line a trace when it has ended. Who asked, what, how much, and how it ended.

No container ids and no records: those stay in the job. `logging` gets the fields besides, for JSON.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tracesvc import meters
from tracesvc.results.status import JobStatus
from tracesvc.telemetry import current_caller

logger = logging.getLogger(__name__)


def audit_job(status: JobStatus) -> None:
    """A job has ended; called by whoever brought it there."""
    code = (status.error or {}).get("code")
    _count("job", status.state, code, status.records, status.elapsed_seconds)
    _write(
        job_id=status.job_id,
        caller=status.owner,
        profile=status.profile,
        domains=",".join(status.domains),
        containers=status.cid_count,
        records=status.records,
        bytes=status.bytes,
        attempts=status.attempts_begun,
        outcome=status.state,
        code=code,
        seconds=status.elapsed_seconds,
    )


def audit_answer(
    profile: str, domains: Sequence[str], containers: int, *, records: int, outcome: str, seconds: float
) -> None:
    """A trace that was answered at once has ended: `finished`, `failed`, or `left` when the client did."""
    _count("answer", outcome, None, records, seconds)
    _write(
        job_id=None,
        caller=current_caller.get(),
        profile=profile,
        domains=",".join(domains),
        containers=containers,
        records=records,
        outcome=outcome,
        seconds=seconds,
    )


def _count(kind: str, outcome: str, code: str | None, records: int, seconds: float) -> None:
    meters.TRACES_ENDED.labels(kind, outcome, code or "").inc()
    meters.TRACE_SECONDS.labels(kind, outcome).observe(seconds)
    meters.TRACE_RECORDS.labels(kind).inc(records)


def _write(**fields: object) -> None:
    text = " ".join(f"{name}={'-' if value is None else value}" for name, value in fields.items())
    logger.info("%s", text, extra={"audit": fields})
