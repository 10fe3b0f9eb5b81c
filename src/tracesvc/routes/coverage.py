"""GET /job/{job_id}/coverage: did I get all of them?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from tracesvc.errors import InvalidParams
from tracesvc.lines import DomainEndLine
from tracesvc.results.coverage import Of, count_containers, coverage_page
from tracesvc.results.legacy_job import legacy_stream
from tracesvc.results.pages import PageRequest, page_head
from tracesvc.results.status import JobStatus
from tracesvc.routes import operations
from tracesvc.routes.deps import Service, Svc
from tracesvc.routes.jobs import find_job
from tracesvc.routes.stream import chosen_domains

router = APIRouter(tags=["results"])


@router.get(
    "/job/{job_id}/coverage",
    operation_id="get_coverage",
    summary="Containers with records, without, failed",
    **operations.COVERAGE,
)
async def get_coverage(
    job_id: str,
    svc: Svc,
    domain: Annotated[str | None, Query(max_length=64)] = None,
    of: Of | None = None,
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=50_000)] = 5000,
) -> Response:
    """Counts per domain; with `domain` and `of` a page of the ids without records, or of the failed ones."""
    if of is not None and domain is None:
        message = "of goes with domain: name the domain whose containers you want"
        raise InvalidParams(message, errors=[{"loc": ["query", "domain"], "msg": message, "type": "missing"}])
    status = await find_job(svc, job_id)
    domains = chosen_domains(status, None if domain is None else [domain])
    if domain is None or of is None:
        counts = await _counts(svc, status)
        return _answer({"job_id": job_id, "domains": {name: counts[name] for name in domains}})
    ask = PageRequest(domain, offset, limit, "")
    if status.legacy:  # all that is known of its containers is who has records
        return _answer(page_head(job_id, ask, total=0, complete=True) | {"data": []})
    return _answer(await coverage_page(svc.results, svc.job(job_id), status, ask, of))


async def _counts(svc: Service, status: JobStatus) -> dict[str, Any]:
    if not status.legacy:
        return {name: count_containers(status, name).model_dump() for name in status.domains}
    job = svc.job(status.job_id)
    pieces = legacy_stream(svc.results, job, svc.catalogue, status, status.domains, None)
    return {
        piece.domain: piece.containers.model_dump()
        async for piece in pieces
        if isinstance(piece, DomainEndLine)
    }


def _answer(body: dict[str, Any]) -> Response:
    return JSONResponse(body, headers={"Cache-Control": "no-store"})
