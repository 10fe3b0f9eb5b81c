"""Making an analysis file from what a job left in Redis: its inputs and its committed chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis

from tracesvc.aggregation.file import AnalysisFile
from tracesvc.aggregation.filters import Filters
from tracesvc.aggregation.scope import Scope
from tracesvc.catalogue import WorkcentreGroup
from tracesvc.errors import NotFound
from tracesvc.results.analysis_store import NAMES, about_of, load_inputs
from tracesvc.results.codec import inflate
from tracesvc.results.index import read_index
from tracesvc.results.keys import JobKeys
from tracesvc.results.reader import read_frames
from tracesvc.results.status import JobStatus

# Chunks read in one round trip: 8 of 130 kB.
CHUNKS_A_READ: Final = 8
NO_ANALYSIS: Final = (
    "The job has no analysis: only a trace of mid_section_defect that read its detection lots has one."
)


def about(
    params: Mapping[str, Any], groups: Iterable[WorkcentreGroup], *, lineage_complete: bool
) -> dict[str, Any]:
    """What `store_about` keeps with a job. Raises `InvalidParams` for a station that no group knows."""
    return {
        "scope": Scope.from_params(params, groups).to_dict(),
        "filters": Filters.from_params(params).to_params(),
        "lineage_complete": lineage_complete,
    }


async def build(redis: Redis, job: JobKeys, status: JobStatus, path: Path, *, memory_mib: int) -> None:
    """Write the analysis of a job, whose domains have ended, to `path`, which must not exist.

    Raises `NotFound` when the job has no analysis, `ChunkMissing` or `ChunkCorrupt`.
    """
    stored = about_of(status)
    if stored is None:
        raise NotFound(NO_ANALYSIS)
    scope = Scope.from_dict(stored["scope"])
    made = AnalysisFile(path, memory_mib=memory_mib)
    try:
        made.begin(scope)
        for name in NAMES:
            async for table in load_inputs(redis, job, status, name):
                made.take(name, table)
        for domain in scope.domains:
            if domain in status.domains:
                async for line in _lines(redis, job, domain):
                    made.take_records(domain, line)
        complete = {domain: status.domain_status(domain) == "ok" for domain in scope.domains}
        made.seal(complete, lineage_complete=stored["lineage_complete"])
    finally:
        made.close()


async def _lines(redis: Redis, job: JobKeys, domain: str) -> AsyncIterator[bytes]:
    entries = await read_index(redis, job, domain)
    for start in range(0, len(entries), CHUNKS_A_READ):
        for frame in await read_frames(redis, job, domain, entries[start : start + CHUNKS_A_READ]):
            yield inflate(frame)
