"""Where an API process listens: a socket bound before anything else, and the address it is reached at."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import Final

from tracesvc.errors import SettingsError

BACKLOG: Final = 2048


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
