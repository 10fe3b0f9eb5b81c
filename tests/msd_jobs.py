"""A case of the analysis as a job: written to Redis as a worker leaves it, by the worker's own parts."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil
from redis.asyncio import Redis

from tests.msd_cases import CATALOGUE, GROUPS, table
from tests.msd_reference import Case
from tracesvc.aggregation.loading import about
from tracesvc.connect import queue_limits
from tracesvc.lines import Fault
from tracesvc.query import parse_query
from tracesvc.queue import JobQueue
from tracesvc.results.analysis_store import NAMES, store_about, store_inputs
from tracesvc.results.keys import Keys
from tracesvc.results.lease import Lease, release_lease, take_lease
from tracesvc.results.store import JobSink
from tracesvc.settings import Settings

FAILED = Fault(code="SOURCE_UNAVAILABLE", message="The plant's database did not answer.")


@dataclass
class Kept:
    """Where jobs are written, and how."""

    redis: Redis
    settings: Settings

    @property
    def keys(self) -> Keys:
        return Keys(self.settings.trace_redis_prefix)

    @property
    def queue(self) -> JobQueue:
        return JobQueue(self.redis, self.redis, self.keys, queue_limits(self.settings))

    async def begin(self, case: Case, **params: Any) -> tuple[Lease, JobSink]:
        """A job that runs; nothing of its result is there."""
        body = {
            "profile": "mid_section_defect",
            "container_ids": ids_of(case) or ["none"],
            "params": {"direction": case.direction, "station": case.station, **params},
        }
        query = parse_query(
            json.dumps(body).encode(),
            profiles=CATALOGUE.profiles,
            domains=CATALOGUE.domains,
            defaults=CATALOGUE.domains_of,
        )
        submitted = await self.queue.submit(
            query, f"test-{secrets.token_hex(4)}", batch_size=7, fresh_seconds=60, renew=True
        )
        job = self.keys.job(submitted.job_id)
        lease = await take_lease(
            self.redis, job, worker="test", seconds=60, ttl_seconds=600, bell=self.keys.bell
        )
        assert lease is not None
        sink = JobSink(
            self.redis, lease, bell=self.keys.bell, running_ttl=600, final_ttl=600, max_bytes=10**9
        )
        await sink.open(query.domain_names, len(query.container_ids))
        return lease, sink

    async def finished(self, case: Case, **params: Any) -> str:
        """A job that has ended, with all that `case` holds."""
        lease, sink = await self.begin(case, **params)
        await self.inputs(lease, case, **params)
        for domain in sink.tallies:
            await self.domain(sink, domain, case)
        await sink.end_job("finished", None)
        await release_lease(self.redis, lease)
        return lease.keys.job_id

    async def inputs(self, lease: Lease, case: Case, **params: Any) -> None:
        for name in NAMES:
            rows = getattr(case, name)
            batches = [batch for cut in (rows[:3], rows[3:]) for batch in table(name, cut).to_batches()]
            await store_inputs(self.redis, lease, name, batches, ttl_seconds=600)
        stated: Mapping[str, Any] = {"direction": case.direction, "station": case.station, **params}
        known = about(stated, GROUPS, lineage_complete=case.lineage_complete)
        await store_about(self.redis, lease, known, ttl_seconds=600)

    async def domain(self, sink: JobSink, domain: str, case: Case) -> None:
        rows = case.records.get(domain, [])
        await sink.begin(domain, 1)
        for start in range(0, len(rows), 7):
            piece = rows[start : start + 7]
            data = json.dumps(piece, ensure_ascii=False, separators=(",", ":")).encode()
            await sink.add(domain, data, len(piece))
        ok = case.complete.get(domain, False)
        count = sink.tallies[domain].asked
        await sink.commit(domain, (b"+" if ok else b"x") * count, None if ok else FAILED)
        await sink.end(domain)


def ids_of(case: Case) -> list[str]:
    """Every container of the case."""
    members = [row["CONTAINER_ID"] for row in case.members]
    return list(dict.fromkeys([*(row["CONTAINERID"] for row in case.lots), *members]))


def analysis_processes(pid: int) -> list[psutil.Process]:
    """The analysis processes of a process, those apart that have ended and are not waited for yet."""
    found = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "tracesvc.aggregation" in child.cmdline():
                found.append(child)
    return found
