"""Every key that tracesvc keeps in Redis, and how long it lives (protocol.md, 5)."""

from __future__ import annotations

from dataclasses import dataclass

CACHE_NAMESPACE = "trace:cache:events"


@dataclass(frozen=True, slots=True)
class JobKeys:
    """The keys of one job. `clustered`: they share a hash tag, so that one node of a cluster has them all."""

    prefix: str
    job_id: str
    clustered: bool = False

    @property
    def base(self) -> str:
        """What every key of the job begins with."""
        tag = f"{{{self.job_id}}}" if self.clustered else self.job_id
        return f"{self.prefix}trace:job:{tag}:"

    @property
    def meta(self) -> str:
        """Hash: status, counts, times, per-domain progress as `domain.field`."""
        return f"{self.base}meta"

    @property
    def request(self) -> str:
        """String: the normalised question, zstd."""
        return f"{self.base}request"

    @property
    def log(self) -> str:
        """Stream: one entry per chunk, domain start and end, state change."""
        return f"{self.base}log"

    @property
    def lease(self) -> str:
        """String: `{fencing token}:{worker}` of who runs it."""
        return f"{self.base}lease"

    @property
    def legacy(self) -> str:
        """String: the whole result as one document, as the older layout left it."""
        return f"{self.base}result"

    def chunk(self, domain: str, index: int) -> str:
        """String: one `records` line, a zstd frame."""
        return f"{self.base}result:{domain}:{index}"

    def index(self, domain: str) -> str:
        """Sorted set: the domain's chunks by the offset of their first record."""
        return f"{self.base}index:{domain}"

    def coverage(self, domain: str) -> str:
        """String: one byte per container in the order asked; `+` with records, `-` without, `x` failed."""
        return f"{self.base}coverage:{domain}"

    def input(self, name: str, attempt: int, number: int) -> str:
        """String: a chunk of an analysis's input, Arrow's stream format, a zstd frame."""
        return f"{self.base}analysis:{name}:{attempt}:{number}"

    def line(self, kind: str, number: int) -> str:
        """String: a part of the zstd frame of a `seeds`, `lineage` or `aggregation` line."""
        return (
            f"{self.base}result:aggregation" if kind == "aggregation" else f"{self.base}line:{kind}:{number}"
        )

    def staged(self, domain: str, token: int, number: int) -> str:
        """String: a chunk of a unit that is not committed yet; readers never look here."""
        return f"{self.base}staged:{domain}:{token}:{number}"

    def staged_index(self, domain: str) -> str:
        """Set: the names of the domain's staged chunks, for whoever takes the job over."""
        return f"{self.base}staged:{domain}"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that belong to no job, and the way to a job's, which may lie in a cluster (`clustered`)."""

    prefix: str = ""
    clustered: bool = False

    def job(self, job_id: str) -> JobKeys:
        """The keys of one job."""
        return JobKeys(self.prefix, job_id, self.clustered)

    @property
    def bell(self) -> str:
        """Channel: the id of a job that has something new."""
        return f"{self.prefix}trace:bell"

    @property
    def signals(self) -> str:
        """Channel: `cancel:{job_id}` for the worker that runs it, `slot` when a database slot is free."""
        return f"{self.prefix}trace:signals"

    def slots(self, part: str) -> str:
        """The database slots: sorted sets `held`, `waiting` and `seen`, and the counter `ticket`."""
        return f"{self.prefix}trace:slots:{part}"

    def reaper(self, queue: str) -> str:
        """String: somebody looks after abandoned jobs of the queue at this moment."""
        return f"{self.prefix}trace:reaper:{queue}"

    def flight(self, digest: str) -> str:
        """String: the job that answers this question now."""
        return f"{self.prefix}trace:flight:{digest}"

    def jobs_of(self, owner: str) -> str:
        """Sorted set: a caller's jobs by creation time; everybody's for the owner ''."""
        return f"{self.prefix}trace:jobs:{owner}"

    def ends_of(self, owner: str) -> str:
        """Sorted set: those of a caller's jobs that have ended, by when their results go, in ms."""
        return f"{self.prefix}trace:ends:{owner}"

    def active(self, owner: str = "") -> str:
        """Sorted set: jobs that wait or run, of all or of one caller, by when their keys will be gone."""
        return f"{self.prefix}trace:active:{owner}"

    def workers(self, queue: str) -> str:
        """Sorted set: the workers of a queue by the time they last announced themselves."""
        return f"{self.prefix}trace:workers:{queue}"

    def cached(self, digest: str) -> str:
        """String: cached events of one unit."""
        return f"{self.prefix}{CACHE_NAMESPACE}:{digest}"

    @property
    def cache_index(self) -> str:
        """Sorted set: cached units by the time they were written, `size:digest`."""
        return f"{self.prefix}{CACHE_NAMESPACE}"
