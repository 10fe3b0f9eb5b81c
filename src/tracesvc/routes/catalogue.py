"""GET /catalogue: what can be asked."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from tracesvc.catalogue import Catalogue, Column
from tracesvc.params import EVERY_TYPE, MAX_DAYS, MAX_ID_CHARACTERS, MAX_PATTERNS, MSD, RESOLVE_TYPES
from tracesvc.routes import operations
from tracesvc.routes.deps import Svc

router = APIRouter(tags=["catalogue"])


@router.get(
    "/catalogue", operation_id="get_catalogue", summary="Profiles, domains, limits", **operations.CATALOGUE
)
async def get_catalogue(svc: Svc) -> Response:
    """Profiles with their default domains, domains with columns and types, and the limits in force."""
    catalogue, settings = svc.catalogue, svc.settings
    profiles = {name: _profile(name, catalogue) for name in catalogue.profiles}
    domains = {
        name: {
            "cache_seconds": domain.cache_seconds,
            "columns": [_column(column) for column in domain.columns],
        }
        for name, domain in catalogue.domains.items()
    }
    route = sorted(catalogue.groups, key=lambda group: group.order)
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
        "seed_patterns": MAX_PATTERNS,
        "range_days": MAX_DAYS,
    }
    stations = [group.name for group in route]
    return JSONResponse({"profiles": profiles, "domains": domains, "stations": stations, "limits": limits})


def _profile(name: str, catalogue: Catalogue) -> dict[str, Any]:
    """What can be asked with a profile; the analysis has domains by its direction."""
    found: dict[str, Any] = {
        "domains": list(catalogue.domains_of(name, {})),
        "resolve_types": list(RESOLVE_TYPES.get(name, EVERY_TYPE)),
    }
    if name == MSD:
        ways = ("backward", "forward")
        found["directions"] = {way: list(catalogue.domains_of(name, {"direction": way})) for way in ways}
    return found


def _column(column: Column) -> dict[str, Any]:
    """A column as it is declared; only numbers have digits."""
    return {
        "name": column.name,
        "type": column.type,
        "precision": column.precision,
        "scale": column.scale,
    }
