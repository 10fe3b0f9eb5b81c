"""How often: each request to the API counts against one budget of its caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracesvc.errors import RateLimited
from tracesvc.gate.caller import counted_as
from tracesvc.gate.paths import budget_of
from tracesvc.routes.problems import problem

if TYPE_CHECKING:
    from tracesvc.routes.deps import Service


class Turnstile:
    """Answers 429 itself; every other answer says how much is left."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        budget = budget_of(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if budget is None:
            await self._app(scope, receive, send)
            return
        service: Service = scope["app"].state.service
        name, caller = counted_as(scope)
        count = await service.rates.count(budget, name, caller.rate_class)
        if count is None:
            await self._app(scope, receive, send)
            return
        if not count.admitted:
            message = (
                f"At most {count.limit} requests of this kind in {count.window_seconds} s. "
                f"Try again in {max(1, count.reset_seconds)} s."
            )
            error = RateLimited(message, headers=count.headers(), budget=budget.value, limit=count.limit)
            await problem(error)(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(count.headers())
            await send(message)

        await self._app(scope, receive, with_headers)
