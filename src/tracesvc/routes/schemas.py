"""The documents that routes answer with, as models for the OpenAPI description.

The answers are written by hand, field by field, where they are made; tests hold both together.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tracesvc.lines import ColumnInfo, ContainerCounts, Fault, JobState, JsonValue
from tracesvc.query import TraceQuery


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

    stage: Literal["events"]
    runs_async: Literal[True] = Field(alias="async")
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
    """A profile's default domains."""

    domains: list[str]
    directions: dict[str, list[str]] | None = None


class DomainDocument(BaseModel):
    """A domain's columns in order, and how long its answers may be reused."""

    cache_seconds: int
    columns: list[ColumnInfo]


class CatalogueDocument(BaseModel):
    """What can be asked."""

    profiles: dict[str, ProfileDocument]
    domains: dict[str, DomainDocument]
    limits: dict[str, int]


NDJSON = "application/x-ndjson"
ZSTD = "application/zstd"


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    titles = {
        404: "Unknown, expired or deleted",
        406: "Accept admits nothing that is served",
        409: "Not finished",
        413: "Too large",
        415: "Not application/json",
        422: "Malformed",
        429: "Too many jobs",
        500: "Internal error, or a damaged chunk",
        503: "Redis or the source is not available",
        504: "The source took too long",
        507: "Redis is out of memory",
    }
    return {status: {"description": titles[status], "content": content} for status in statuses}


def _body(model: type[BaseModel]) -> dict[str, Any]:
    return {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}},
    }


def _stream(*, zstd: bool) -> dict[str, Any]:
    line = {"itemSchema": {"$ref": "#/components/schemas/Line"}}
    content: dict[str, Any] = {NDJSON: line}
    if zstd:
        content[ZSTD] = {"schema": {"type": "string", "format": "binary"}}
    return content


EVENTS: dict[str, Any] = {
    "openapi_extra": {"requestBody": _body(TraceQuery)},
    "response_model": None,
    "responses": {
        200: {
            "model": WholeResult,
            "description": "Answered at once, as lines or one document",
            "content": _stream(zstd=False),
        },
        202: {
            "model": Accepted,
            "description": "Runs as a job",
            "headers": {"Location": {"schema": {"type": "string"}}},
        },
        **_problems(406, 413, 415, 422, 429, 500, 503, 504, 507),
    },
}
JOBS: dict[str, Any] = {
    "response_model": None,
    "responses": {200: {"model": JobList}, **_problems(422, 500, 503)},
}
STATUS: dict[str, Any] = {
    "response_model": None,
    "responses": {200: {"model": JobDocument}, **_problems(404, 422, 500, 503)},
}
DELETE: dict[str, Any] = {
    "response_model": None,
    "responses": {
        200: {"model": Cancelled},
        202: {"model": Cancelled, "description": "Still stopping"},
        **_problems(404, 422, 500, 503),
    },
}
STREAM: dict[str, Any] = {
    "response_model": None,
    "responses": {
        200: {
            "description": "One line after the other; the last is complete or error",
            "content": _stream(zstd=True),
        },
        **_problems(404, 406, 409, 422, 500, 503),
    },
}
RESULT: dict[str, Any] = {
    "response_model": None,
    "responses": {200: {"model": Page | WholeResult}, **_problems(404, 409, 422, 500, 503)},
}
COVERAGE: dict[str, Any] = {
    "response_model": None,
    "responses": {200: {"model": Coverage | CoveragePage}, **_problems(404, 422, 500, 503)},
}
CATALOGUE: dict[str, Any] = {
    "response_model": None,
    "responses": {200: {"model": CatalogueDocument}, **_problems(500)},
}
