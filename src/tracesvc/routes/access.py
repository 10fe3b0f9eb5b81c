"""GET /access: how to sign in, and who one is."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from tracesvc.routes import operations
from tracesvc.routes.deps import CALLER, Known

router = APIRouter(tags=["access"])


@router.get("/access", operation_id="get_access", summary="How to sign in, and as whom", **operations.ACCESS)
async def get_access(request: Request, svc: Known) -> Response:
    """Open to everybody, for pages that have no credential yet. `caller` is null without a valid one."""
    settings = svc.settings
    oidc = {"issuer": settings.trace_oidc_issuer, "client_id": settings.trace_oidc_client_id or None}
    caller = request.scope.get(CALLER)
    return JSONResponse(
        {
            "required": svc.door.locked,
            "ways": svc.door.ways,
            "oidc": oidc if "oidc" in svc.door.ways else None,
            "caller": {"name": caller.name, "role": caller.role} if caller else None,
        }
    )
