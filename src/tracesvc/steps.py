"""What a job does before its events and after them: seeds, lineage, detection rows, and the analysis.

Each step commits what it found with its last write; whoever takes the job over does not do it again.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncGenerator
from typing import Final

import orjson
from arro3.core import RecordBatch

from tracesvc.aggregation.filters import Filters
from tracesvc.aggregation.loading import about
from tracesvc.aggregation.requests import Question
from tracesvc.detection import Detection, DetectionScope, read_detection
from tracesvc.errors import JobFailed
from tracesvc.lineage.answer import lineage_of
from tracesvc.lineage.told import told_members, told_roots
from tracesvc.query import TraceQuery
from tracesvc.results.analysis_store import about_of, store_about, store_inputs, stored_inputs
from tracesvc.results.codec import compress
from tracesvc.results.lease import Lease
from tracesvc.results.stage_lines import is_committed
from tracesvc.results.status import JobStatus
from tracesvc.seeds import resolve_seeds
from tracesvc.statements import Look
from tracesvc.workbench import Workbench

DETECTION: Final = ("lots", "rejects", "workflows", "families")


NO_QUESTION: Final = "The job's question is gone from Redis. Ask again."


class Steps:
    """The steps of one attempt at a job; `query` is the question with what is known by now."""

    query: TraceQuery

    def __init__(self, bench: Workbench, lease: Lease, status: JobStatus, look: Look) -> None:
        """`look` waits for a source that is away."""
        self._bench = bench
        self._lease = lease
        self._status = status
        self._lines = bench.lines(lease)
        self._statements = dataclasses.replace(bench.statements, look=look)
        self._memory_mib = bench.settings.trace_scratch_memory_mib
        self._stored = set(stored_inputs(status))

    async def before(self) -> None:
        """Everything up to the events: afterwards `query` has its containers."""
        query = await self._bench.queue.load(self._status.job_id)
        if query is None:
            raise JobFailed(NO_QUESTION)
        self.query = query
        stages = self._status.stages
        if "seed-resolve" in stages and not is_committed(self._status, "seeds"):
            await self._resolve()
        if "lineage" in stages and not is_committed(self._status, "lineage"):
            await self._walk()
        if self._analyses and about_of(self._status) is None:
            await self._describe()
        if "events" in stages and stages != ("events",):
            await self._lines.begin("events")

    async def after(self) -> None:
        """The analysis, when the job has one."""
        if not self._analyses or is_committed(self._status, "aggregation"):
            return
        await self._lines.begin("aggregation")
        filters = Filters.from_params(self.query.params).to_params()
        answer = await self._bench.analyst.ask(Question(self._status.job_id, "aggregate", filters))
        await self._lines.write("aggregation", _once(answer))

    @property
    def _analyses(self) -> bool:
        """Whether there is an analysis: a plant without detection statements has none."""
        known = "detection/lots_of" in self._statements.catalogue.stages
        return known and "aggregation" in self._status.stages

    async def _resolve(self) -> None:
        """Stage 1."""
        await self._lines.begin("seed-resolve")
        named = self.query.named_seeds
        if named is not None:
            answer = await resolve_seeds(self._statements, named)
            await self._commit_seeds(answer.container_ids, _once(orjson.dumps(answer.to_dict())))
            return
        scope = DetectionScope.of(self.query)
        analyses = self._analyses
        async with read_detection(self._statements, scope, self._memory_mib, whole=analyses) as found:
            if analyses:
                await self._store_detection(found)
            await self._commit_seeds(await found.container_ids(), found.pieces())

    async def _commit_seeds(self, seeds: list[str], pieces: AsyncGenerator[bytes]) -> None:
        self.query = self.query.model_copy(update={"seed_container_ids": seeds})
        fields = {} if "lineage" in self._status.stages else {"cid_count": len(seeds)}
        await self._lines.write("seeds", pieces, fields=fields, request=_packed(self.query))

    async def _walk(self) -> None:
        """Stage 2: from the seeds, or from the containers asked for."""
        await self._lines.begin("lineage")
        query = self.query
        seeds = query.seed_container_ids or query.container_ids
        async with lineage_of(self._statements, seeds, query.direction, self._memory_mib) as found:
            if self._analyses:
                await self._store("members", found.members())
                await self._store("roots", found.roots())
            ids = await found.container_ids()
            cut = {"lineage.truncated": int(found.truncated)}
            if "events" not in self._status.stages:
                await self._lines.write("lineage", found.pieces(), fields=cut)
                return
            self.query = query.model_copy(update={"container_ids": ids})
            fields = {"cid_count": len(ids), **cut}
            await self._lines.write("lineage", found.pieces(), fields=fields, request=_packed(self.query))

    async def _describe(self) -> None:
        """What the analysis needs besides the records: detection rows and lineage, unless they are there."""
        query = self.query
        if not set(DETECTION) <= self._stored:
            await self._lines.begin("detection")
            seeds = query.seed_container_ids or query.container_ids
            scope = DetectionScope.of(query)
            async with read_detection(self._statements, scope, self._memory_mib, sorted(seeds)) as found:
                await self._store_detection(found)
        if "members" not in self._stored:
            await self._store("members", told_members(query))
            await self._store("roots", told_roots(query))
        cut = await self._bench.results.hget(self._lease.keys.meta, "lineage.truncated")  # type: ignore[misc]
        told = about(query.params, self._statements.catalogue.groups, lineage_complete=cut != b"1")
        await store_about(self._bench.results, self._lease, told, ttl_seconds=self._ttl)

    async def _store_detection(self, found: Detection) -> None:
        for name in DETECTION:
            await self._store(name, getattr(found, name)())

    async def _store(self, name: str, batches: AsyncGenerator[RecordBatch]) -> None:
        async with contextlib.aclosing(batches):
            await store_inputs(self._bench.results, self._lease, name, batches, ttl_seconds=self._ttl)
        self._stored.add(name)

    @property
    def _ttl(self) -> int:
        return self._bench.limits.running_ttl_seconds


def _packed(query: TraceQuery) -> bytes:
    return compress(query.model_dump_json().encode())


async def _once(data: bytes) -> AsyncGenerator[bytes]:
    yield data
