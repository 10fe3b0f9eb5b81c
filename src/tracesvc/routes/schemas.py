"""The documents that routes answer with, as models for the OpenAPI description.

The answers are written by hand, field by field, where they are made; tests hold both together.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tracesvc.lines import ColumnInfo, ContainerCounts, Fault, JobState, JsonValue


class Problem(BaseModel):
    """What went wrong (RFC 9457); further members depend on the code."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str


class Accepted(BaseModel):
    """A trace that runs as a job, or did already."""

    stage: Literal["events", "seed-resolve", "lineage"]
    runs_async: bool = Field(alias="async", description="Always true")
    job_id: str
    status: JobState
    cid_count: int | None
    deduplicated: bool
    status_url: str
    stream_url: str
    result_url: str


class DomainState(BaseModel):
    """How far one domain is; batches are units (statements)."""

    status: Literal["queued", "running", "ok", "partial", "failed"]
    batches_done: int
    batches_total: int
    records: int
    failed: int


class Progress(BaseModel):
    """How far a job is; `percent` never goes back. `waiting_statements` wait for a database slot now."""

    percent: float
    records: int
    bytes: int
    records_per_second: float
    eta_seconds: float | None
    waiting_statements: int
    domains: dict[str, DomainState]


class JobDocument(BaseModel):
    """A job's status."""

    job_id: str
    status: JobState
    stage: str
    profile: str | None
    cid_count: int | None
    domains: list[str]
    progress: Progress
    attempt: int
    created_at: str | None
    started_at: str | None
    finished_at: str | None
    expires_at: str | None
    elapsed_seconds: float
    failed_domains: list[str]
    error: Fault | None


class JobList(BaseModel):
    """The caller's jobs, newest first."""

    jobs: list[JobDocument]


class Page(BaseModel):
    """Some records of one domain."""

    job_id: str
    domain: str
    offset: int
    limit: int
    count: int
    total: int
    complete: bool
    next_offset: int | None
    data: list[dict[str, JsonValue]]


class Coverage(BaseModel):
    """Every container accounted for, per domain; while a job runs, those of the units committed so far."""

    job_id: str
    domains: dict[str, ContainerCounts]


class CoveragePage(BaseModel):
    """Ids of containers, in the order asked."""

    job_id: str
    domain: str
    offset: int
    limit: int
    count: int
    total: int
    complete: bool
    next_offset: int | None
    data: list[str]


class DomainResult(BaseModel):
    """All records of one domain; counts are null when it was cut off."""

    data: list[dict[str, JsonValue]]
    count: int | None
    total: int | None


class WholeResult(BaseModel):
    """The whole result as one document."""

    stage: Literal["events"]
    results: dict[str, DomainResult]
    aggregation: dict[str, Any] | None
    failed_domains: list[str]
    code: str | None


class Cancelled(BaseModel):
    """What the job was when it was deleted, or that it is being stopped."""

    status: Literal["cancelled", "finished", "failed", "cancelling"]


class ProfileDocument(BaseModel):
    """A profile's default domains, and how its seeds may be named."""

    domains: list[str]
    resolve_types: list[str]
    directions: dict[str, list[str]] | None = None


class CatalogueColumn(ColumnInfo):
    """A column as declared in the catalogue; numbers have their digits in all, and after the point."""

    precision: int | None = None
    scale: int | None = None


class DomainDocument(BaseModel):
    """A domain's columns in order, and how long its answers may be reused."""

    cache_seconds: int
    columns: list[CatalogueColumn]


class CatalogueLimits(BaseModel):
    """The limits in force: counts, bytes, seconds and days, as each name says."""

    async_cid_threshold: int
    events_cid_limit: int
    max_body_bytes: int
    max_id_characters: int
    stream_batch_size: int
    job_ttl_seconds: int
    job_timeout_seconds: int
    job_max_result_bytes: int
    page_limit: int
    page_max_memory_bytes: int
    seed_patterns: int
    range_days: int


class CatalogueDocument(BaseModel):
    """What can be asked."""

    profiles: dict[str, ProfileDocument]
    domains: dict[str, DomainDocument]
    stations: list[str]
    limits: CatalogueLimits


class SignIn(BaseModel):
    """Where a page gets tokens."""

    issuer: str
    client_id: str | None


class Identity(BaseModel):
    """Who a credential stands for."""

    name: str
    role: Literal["user", "operator", "monitor"]


class AccessDocument(BaseModel):
    """How to sign in, and who one is."""

    required: bool
    ways: list[Literal["key", "oidc"]]
    oidc: SignIn | None
    caller: Identity | None
