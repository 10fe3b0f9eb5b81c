"""What a worker process works with: its clients and settings, handed to each attempt at a job."""

from __future__ import annotations

from dataclasses import dataclass

from redis.asyncio import Redis

from tracesvc.analyst import Analyst
from tracesvc.fetch import EventFetcher
from tracesvc.queue import JobQueue
from tracesvc.register import QueueLimits
from tracesvc.results.bell import Bell
from tracesvc.results.keys import Keys
from tracesvc.results.lease import Lease, take_lease
from tracesvc.results.stage_lines import StageLines
from tracesvc.results.store import JobSink
from tracesvc.settings import Settings
from tracesvc.statements import Statements


@dataclass(frozen=True, slots=True)
class Workbench:
    """One process's. `bell` listens on the signals; `results` has jobs' own keys; `name` is unique."""

    name: str
    settings: Settings
    redis: Redis
    results: Redis
    keys: Keys
    bell: Bell
    queue: JobQueue
    limits: QueueLimits
    fetcher: EventFetcher
    statements: Statements
    analyst: Analyst

    async def take(self, job_id: str, *, attempt: bool = True) -> Lease | None:
        """The job's lease, or None when it is gone, ended or held; see `take_lease`."""
        return await take_lease(
            self.results,
            self.keys.job(job_id),
            worker=self.name,
            seconds=self.settings.trace_lease_seconds,
            ttl_seconds=self.limits.running_ttl_seconds,
            bell=self.keys.bell,
            attempt=attempt,
        )

    def sink(self, lease: Lease) -> JobSink:
        """Where the lines of a job go, under its lease."""
        return JobSink(
            self.results,
            lease,
            bell=self.keys.bell,
            running_ttl=self.limits.running_ttl_seconds,
            final_ttl=self.limits.ttl_seconds,
            max_bytes=self.settings.trace_job_max_result_bytes,
        )

    def lines(self, lease: Lease) -> StageLines:
        """Where the stages of a job leave their lines, under its lease."""
        return StageLines(
            self.results,
            lease,
            bell=self.keys.bell,
            ttl=self.limits.running_ttl_seconds,
            max_bytes=self.settings.trace_job_max_result_bytes,
        )
