"""The lines of the stream, one model a type, and their bytes (protocol.md, 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

PROTOCOL: Final = 1

JsonValue = str | int | float | bool | None
DomainStatus = Literal["ok", "partial", "failed"]
JobState = Literal["queued", "running", "finished", "failed", "cancelled"]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_serialization_defaults_required=True)


class ColumnInfo(_Line):
    """A column as declared in the catalogue."""

    name: str
    type: Literal["string", "integer", "number", "boolean", "timestamp"]


class ContainerCounts(_Line):
    """Every container asked for: asked = with_records + without_records + failed."""

    asked: int
    with_records: int
    without_records: int
    failed: int


class Fault(_Line):
    """Why something is not complete: a code of protocol.md and a sentence for people."""

    code: str
    message: str


class DomainProgress(_Line):
    """How far a domain is; batches are units (statements)."""

    batches_done: int
    batches_total: int
    records: int


class MetaLine(_Line):
    """The first line: what this stream holds."""

    type: Literal["meta"] = "meta"
    protocol: Literal[1] = PROTOCOL
    job_id: str | None
    profile: str | None
    domains: list[str]
    cid_count: int | None
    batch_size: int
    live: bool
    created_at: str | None
    resumed_after: str | None = None


class SeedsLine(_Line):
    """The answer of stage 1, when the job ran it."""

    type: Literal["seeds"] = "seeds"
    data: dict[str, Any]


class LineageLine(_Line):
    """The answer of stage 2, when the job ran it."""

    type: Literal["lineage"] = "lineage"
    data: dict[str, Any]


class DomainStartLine(_Line):
    """A domain begins; `total` is its number of records, null while the job is live."""

    type: Literal["domain_start"] = "domain_start"
    domain: str
    columns: list[ColumnInfo]
    total_batches: int | None
    total: int | None


class RecordsLine(_Line):
    """Records of one domain. Written as bytes by `records_line`; this model describes and checks them."""

    type: Literal["records"] = "records"
    domain: str
    batch: int = Field(ge=0)
    offset: int = Field(ge=0)
    count: int = Field(ge=1)
    data: list[dict[str, JsonValue]] = Field(min_length=1)


class DomainEndLine(_Line):
    """A domain is over: counts, coverage and the digest of its records lines."""

    type: Literal["domain_end"] = "domain_end"
    domain: str
    count: int
    batches: int
    status: DomainStatus
    containers: ContainerCounts
    digest: str
    error: Fault | None = None


class ProgressLine(_Line):
    """A sign of life while the job runs."""

    type: Literal["progress"] = "progress"
    status: JobState
    stage: str
    elapsed_seconds: float
    records: int
    domains: dict[str, DomainProgress]


class AggregationLine(_Line):
    """The analysis of a mid_section_defect trace: fields as in what `aggregate_job` answers.

    A result of an older service may have others.
    """

    type: Literal["aggregation"] = "aggregation"
    data: dict[str, Any]


class WarningLine(_Line):
    """Some containers could not be fetched: `failed` counts them per domain."""

    type: Literal["warning"] = "warning"
    code: Literal["EVENTS_PARTIAL_FAILURE"] = "EVENTS_PARTIAL_FAILURE"
    failed_domains: list[str]
    failed: dict[str, int]
    message: str


class CompleteLine(_Line):
    """The last line of a stream that ended well."""

    type: Literal["complete"] = "complete"
    total_records: int
    elapsed_seconds: float
    domains: dict[str, int]


class ErrorLine(_Line):
    """The last line of a stream that did not; `resume_after` is a cursor to go on from, or null."""

    type: Literal["error"] = "error"
    code: str
    message: str
    retryable: bool
    resume_after: str | None = None


Line = Annotated[
    MetaLine
    | SeedsLine
    | LineageLine
    | DomainStartLine
    | RecordsLine
    | DomainEndLine
    | ProgressLine
    | AggregationLine
    | WarningLine
    | CompleteLine
    | ErrorLine,
    Field(discriminator="type"),
]
LINE: Final[TypeAdapter[Line]] = TypeAdapter(Line)


@dataclass(frozen=True, slots=True)
class Rows:
    """At most one line's records: a JSON array, how many, and of which containers."""

    data: bytes
    count: int
    containers: set[str]


def encode(line: Line) -> bytes:
    """A line as JSON, its newline included."""
    return line.model_dump_json().encode() + b"\n"
