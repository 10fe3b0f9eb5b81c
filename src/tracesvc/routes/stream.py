"""A job's result: the stream, pages, and the whole as one document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from tracesvc.errors import DomainNotInJob, JobNotComplete
from tracesvc.results.cursor import Cursor
from tracesvc.results.legacy_job import legacy_page, legacy_stream
from tracesvc.results.lifetime import prolong
from tracesvc.results.pages import PageRequest, read_page
from tracesvc.results.pieces import Pieces
from tracesvc.results.reader import JobStream, check_cursor
from tracesvc.results.status import JobStatus
from tracesvc.routes import operations
from tracesvc.routes.deps import Service, Svc
from tracesvc.routes.jobs import find_job
from tracesvc.routes.media import (
    JSON,
    NDJSON,
    ZSTD,
    answer_response,
    choose,
    document_response,
    guarded,
    stream_response,
)

router = APIRouter(tags=["results"])

Domains = Annotated[list[str] | None, Query(alias="domain", max_length=64)]


@router.get(
    "/job/{job_id}/stream", operation_id="stream_job", summary="The result as NDJSON", **operations.STREAM
)
async def stream_job(
    request: Request,
    job_id: str,
    svc: Svc,
    *,
    follow: bool = True,
    after: Annotated[str | None, Query(max_length=128)] = None,
    domain: Domains = None,
) -> Response:
    """Live while the job runs, or from the store after it; `after` resumes, `domain` narrows."""
    status = await find_job(svc, job_id)
    domains = chosen_domains(status, domain)
    cursor = None if after is None else Cursor.parse(after)
    if cursor is not None:
        check_cursor(status, domains, cursor)
    if not follow and not status.ended:
        raise JobNotComplete(
            "The job has not finished. Wait for it, or read with follow=true.", job_status=status.state
        )
    media_type = choose(request.headers.get("accept"), (NDJSON, ZSTD))
    pieces = open_stream(svc, status, domains, cursor)
    return stream_response(pieces, media_type, accept_encoding=request.headers.get("accept-encoding"))


@router.get(
    "/job/{job_id}/result", operation_id="get_result", summary="A page, or the whole", **operations.RESULT
)
async def get_result(
    job_id: str,
    svc: Svc,
    domain: Annotated[str | None, Query(max_length=64)] = None,
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=50_000)] = 5000,
) -> Response:
    """A page of one domain, also while the job runs; without `domain` the whole result of a finished job."""
    status = await find_job(svc, job_id)
    if domain is None:
        if not status.ended:
            raise JobNotComplete(
                "The job has not finished. Read its stream, or pages of a domain.", job_status=status.state
            )
        pieces = open_stream(svc, status, status.domains, None)
        is_stage = status.state == "finished" and not status.domains
        return answer_response(pieces) if is_stage else document_response(pieces)
    chosen_domains(status, [domain])
    ask = PageRequest(domain, offset, limit, _first_column(svc, domain))
    job = svc.job(job_id)
    if status.legacy:
        body = legacy_page(svc.results, job, status, ask)
    else:
        await prolong(svc.results, job, status, svc.settings.trace_job_ttl_seconds)
        body = await read_page(svc.results, job, status, ask)
    return StreamingResponse(body, media_type=JSON, headers={"Cache-Control": "no-store"})


def open_stream(svc: Service, status: JobStatus, domains: Sequence[str], cursor: Cursor | None) -> Pieces:
    """The pieces of a job's result, whichever layout it is stored in."""
    job = svc.job(status.job_id)
    if status.legacy:
        return guarded(legacy_stream(svc.results, job, svc.catalogue, status, domains, cursor), lambda: None)
    stream = JobStream(svc.results, job, svc.bell, svc.catalogue, svc.settings.trace_job_ttl_seconds)
    return guarded(stream.pieces(status, domains, cursor), lambda: stream.cursor or cursor)


def _first_column(svc: Service, domain: str) -> str:
    """The key that records begin with; a domain of an older catalogue begins as all of today's do."""
    spec = svc.catalogue.domains.get(domain)
    return spec.columns[0].name if spec else "CONTAINERID"


def chosen_domains(status: JobStatus, asked: Sequence[str] | None) -> list[str]:
    """The job's domains in its order, narrowed to those asked."""
    unknown = [name for name in asked or () if name not in status.domains]
    if unknown:
        raise DomainNotInJob(f"The job has no domain {unknown[0][:64]}. It has: {', '.join(status.domains)}.")
    return [name for name in status.domains if asked is None or name in asked]
