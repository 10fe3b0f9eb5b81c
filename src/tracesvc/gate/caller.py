"""Who asks: looked up once, at the door, before a byte of the body is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from tracesvc.access import ANYONE, Caller
from tracesvc.errors import Forbidden, IdentityUnavailable, RateLimited, Unauthenticated
from tracesvc.gate.paths import METRICS, READY, needs_caller
from tracesvc.rates import Budget
from tracesvc.routes.deps import CALLER
from tracesvc.routes.problems import problem
from tracesvc.telemetry import current_caller

if TYPE_CHECKING:
    from tracesvc.routes.deps import Service


class Doorkeeper:
    """Puts the `Caller` into the scope, or answers 401, 403 or 503 itself.

    Outside of the API a credential is optional: a wrong one is no error there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        service: Service = scope["app"].state.service
        needed = needs_caller(scope["path"])
        headers = Headers(scope=scope)
        try:
            caller = await service.door.admit(headers.get("authorization"), headers.get("x-api-key"))
        except (Unauthenticated, IdentityUnavailable) as error:
            if needed:
                refusal = await _too_many(service, scope) or error
                await problem(refusal)(scope, receive, send)
                return
        else:
            if caller.role == "monitor" and needed and scope["path"] != METRICS:
                message = f"This credential may only read {METRICS} and {READY}."
                await problem(Forbidden(message))(scope, receive, send)
                return
            scope[CALLER] = caller
            current_caller.set(caller.name)
        await self._app(scope, receive, send)


async def _too_many(service: Service, scope: Scope) -> RateLimited | None:
    """Attempts without a valid credential count by address."""
    count = await service.rates.count(Budget.JOB, f"address:{address_of(scope)}")
    if count is None or count.admitted:
        return None
    return RateLimited("Too many attempts without a valid credential.", headers=count.headers())


def address_of(scope: Scope) -> str:
    """The client's address, as far as it is known."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def counted_as(scope: Scope) -> tuple[str, Caller]:
    """The name that requests count under: the caller's, or the address while all callers are one."""
    caller: Caller = scope.get(CALLER, ANYONE)
    return (f"address:{address_of(scope)}" if caller is ANYONE else caller.name), caller
