"""Counts requests and their answers by route: the template of its path, never the path itself."""

from __future__ import annotations

import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracesvc import meters
from tracesvc.gate.paths import API

OTHER: Final = "other"
METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST"})


class Meter:
    """Stands outside of everything, so that refusals count too; those have the route `other`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.monotonic()
        method = scope["method"] if scope["method"] in METHODS else OTHER
        route = ""

        async def counting(message: Message) -> None:
            nonlocal route
            if message["type"] == "http.response.start":
                route = _template(scope)
                meters.REQUESTS.labels(method, route, message["status"]).inc()
                meters.REQUEST_SECONDS.labels(route).observe(time.monotonic() - begun)
                meters.RESPONSES_OPEN.labels(route).inc()
            elif message["type"] == "http.response.body":
                meters.RESPONSE_BYTES.labels(route).inc(len(message.get("body", b"")))
            await send(message)

        try:
            await self._app(scope, receive, counting)
        finally:
            if route:
                meters.RESPONSES_OPEN.labels(route).dec()


def _template(scope: Scope) -> str:
    """The path that the route was declared with; a router's route does not know its prefix."""
    path = getattr(scope.get("route"), "path", None)
    if path is None:
        return OTHER
    inside = scope["path"].startswith(f"{API}/") and not path.startswith(API)
    return f"{API}{path}" if inside else str(path)
