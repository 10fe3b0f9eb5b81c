"""What a request passes before it comes to its route, as plain ASGI: headers, who asks, how often.

`guard` puts it around the application; the parts know nothing of each other.
"""

from __future__ import annotations

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from tracesvc.gate.caller import Doorkeeper
from tracesvc.gate.meter import Meter
from tracesvc.gate.response_headers import ResponseHeaders
from tracesvc.gate.turnstile import Turnstile
from tracesvc.settings import Settings

METHODS = ("DELETE", "GET", "POST")
EXPOSED = ("Location", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


def guard(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The application behind its gate; door and limits are those in the app's state."""
    guarded: ASGIApp = Doorkeeper(Turnstile(app))
    origins = [origin.strip() for origin in settings.trace_cors_origins.split(",") if origin.strip()]
    if origins:
        guarded = CORSMiddleware(
            guarded,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=["Authorization", "X-API-Key", "Content-Type", "Prefer", "Cache-Control"],
            expose_headers=EXPOSED,
            max_age=600,
        )
    return Meter(ResponseHeaders(guarded, shared=bool(origins)))
