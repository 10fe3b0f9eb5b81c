"""Headers that every answer carries, so that no browser makes more of it than it is.

A route that sets one of them keeps its own: the page comes with a policy under which it works.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
SHARED: Final = {"Cross-Origin-Resource-Policy": "cross-origin"}
STRICT_TRANSPORT: Final = "max-age=31536000"
NO_STORE: Final = "no-store"


class ResponseHeaders:
    """Sets what an answer lacks; behind TLS also that it is to be asked for over TLS only."""

    def __init__(self, app: ASGIApp, *, shared: bool = False) -> None:
        """`shared`: pages of other origins may read the answers (CORS)."""
        self._app = app
        self._headers = HEADERS | (SHARED if shared else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    headers.setdefault("Cache-Control", NO_STORE)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)
            await send(message)

        await self._app(scope, receive, with_headers)
