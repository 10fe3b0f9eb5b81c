"""GET /catalogue: what can be asked."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from tracesvc.query import MAX_ID_CHARACTERS, MSD
from tracesvc.routes import schemas
from tracesvc.routes.deps import Svc

router = APIRouter(tags=["catalogue"])


@router.get(
    "/catalogue", operation_id="get_catalogue", summary="Profiles, domains, limits", **schemas.CATALOGUE
)
async def get_catalogue(svc: Svc) -> Response:
    """Profiles with their default domains, domains with columns and types, and the limits in force."""
    catalogue, settings = svc.catalogue, svc.settings
    profiles = {
        name: {"domains": list(catalogue.domains_of(name, {}))}
        | (
            {
                "directions": {
                    d: list(catalogue.domains_of(name, {"direction": d})) for d in ("backward", "forward")
                }
            }
            if name == MSD
            else {}
        )
        for name in catalogue.profiles
    }
    domains = {
        name: {
            "cache_seconds": domain.cache_seconds,
            "columns": [{"name": column.name, "type": column.type} for column in domain.columns],
        }
        for name, domain in catalogue.domains.items()
    }
    limits = {
        "async_cid_threshold": settings.trace_async_cid_threshold,
        "events_cid_limit": settings.trace_events_cid_limit,
        "max_body_bytes": settings.trace_max_body_bytes,
        "max_id_characters": MAX_ID_CHARACTERS,
        "stream_batch_size": settings.trace_stream_batch_size,
        "job_ttl_seconds": settings.trace_job_ttl_seconds,
        "job_timeout_seconds": settings.trace_job_timeout_seconds,
        "job_max_result_bytes": settings.trace_job_max_result_bytes,
        "page_limit": 50_000,
        "page_max_memory_bytes": settings.trace_page_max_memory_bytes,
    }
    return JSONResponse({"profiles": profiles, "domains": domains, "limits": limits})
