"""The API's server: where it listens, and uvicorn around the app within the bounds of the settings."""

from __future__ import annotations

import contextlib
import errno
import resource
import socket
from typing import TYPE_CHECKING, Final

from tracesvc.errors import SettingsError
from tracesvc.settings import Settings

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

BACKLOG: Final = 2048
GRACEFUL_SECONDS: Final = 5
# Beside the clients' connections: those to Redis and the plant, files, pipes.
SPARE_FILES: Final = 256


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that nobody else can take the port; port 0 is a free one.

    Raises `SettingsError` that names what to change.
    """
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with contextlib.ExitStack() as on_error:
            listener = on_error.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(BACKLOG)
            on_error.pop_all()
    except OSError as error:
        raise SettingsError(_cannot_listen(host, port, error)) from None
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use by another program; "
            "end that program, or choose another port with --port (TRACE_PORT), 0 for a free one"
        )
    remedy = "change --host (TRACE_HOST) or --port (TRACE_PORT)"
    return f"cannot listen on {host} port {port}: {error.strerror}; {remedy}"


def address(host: str, port: int) -> str:
    """The URL at which a listener is reached from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- the wildcard is translated away
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Uvicorn around `app`; open streams have `GRACEFUL_SECONDS` to end when it stops."""
    import uvicorn  # noqa: PLC0415 - `address` and `listening_socket` are wanted without it

    from tracesvc.connection import Bounds, bounded  # noqa: PLC0415

    _allow_files(settings.trace_max_connections + SPARE_FILES)
    bounds = Bounds(
        connections=settings.trace_max_connections,
        head_bytes=settings.trace_max_header_bytes,
        head_seconds=settings.trace_header_timeout_seconds,
        body_seconds=settings.trace_body_timeout_seconds,
        send_seconds=settings.trace_send_timeout_seconds,
    )
    return uvicorn.Config(
        app,
        http=bounded(bounds),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=bool(settings.trace_forwarded_allow_ips),
        forwarded_allow_ips=settings.trace_forwarded_allow_ips,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


def _allow_files(wanted: int) -> None:
    """Let this process open so many files, as far as its hard limit goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
