"""One HTTP connection with bounds: on the size and time of a request, and on clients that take nothing.

uvicorn waits for ever for the rest of a head, for a body and for a reader; each would let a handful of idle
sockets hold the service (slowloris). Its own protocol class with timers is enough to end that.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

PROBLEMS: Final = {
    400: ("INVALID_PARAMS", "The request is no HTTP/1.1 that could be understood."),
    408: ("INVALID_PARAMS", "The request did not arrive in time."),
    431: ("INVALID_PARAMS", "The head of the request is too large."),
    503: ("QUEUE_UNAVAILABLE", "The service has all the connections that it may have. Try again soon."),
}


# What a client still sends is read for so long: closed at once, it might never see the answer.
LINGER_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may take."""

    connections: int
    head_bytes: int
    head_seconds: float
    body_seconds: float
    send_seconds: float


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol under `bounds`; a subclass sets them (`bounded`)."""

    bounds: ClassVar[Bounds]

    _in_head = False
    _refused = False
    _head_bytes = 0
    _requests = 0
    _status = HTTPStatus.BAD_REQUEST
    _request_timer: asyncio.TimerHandle | None = None
    _send_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client came; one too many is told so."""
        super().connection_made(transport)
        if len(self.connections) > self.bounds.connections:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        self._expect(self.bounds.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, and so have the timers."""
        self._stop_waiting()
        self._end_send_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came; those of a head that goes on and on are counted, and its time runs."""
        if self._refused:
            return
        was_in_head = self._in_head
        super().data_received(data)
        if self._hung_up():
            return
        idle = not self._requests or self.cycle.response_complete
        if self._request_timer is None and (self._in_head or idle):
            self._expect(self.bounds.head_seconds)
        if was_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.bounds.head_bytes:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_url(self, url: bytes) -> None:
        """A part of the address, counted."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, counted."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there; now the body has its time."""
        self._in_head = False
        self._requests += 1
        self._expect(self.bounds.body_seconds)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is there."""
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is out. One that came before the request's end also ends the connection, soon."""
        super().on_response_complete()
        if self.cycle.more_body and not self.transport.is_closing():
            self._expect(LINGER_SECONDS)

    def pause_writing(self) -> None:
        """The client does not take what it asked for."""
        super().pause_writing()
        self._end_send_timer()
        self._send_timer = self.loop.call_later(self.bounds.send_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        self._end_send_timer()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls when the parser gives up."""
        del msg
        self._refuse(self._status)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.bounds.head_bytes:
            self._status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise ValueError("the head is too large")  # the parser stops, and says so to uvicorn

    def _expect(self, seconds: float) -> None:
        self._stop_waiting()
        self._request_timer = self.loop.call_later(seconds, self._out_of_time)

    def _stop_waiting(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _end_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _out_of_time(self) -> None:
        self._request_timer = None
        if self._refused:
            self.transport.close()
            return
        if not self._requests or self._in_head or not self.cycle.response_started:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif self.cycle.response_complete:
            self.transport.close()
        # else an answer that does not need the body goes on

    def _hung_up(self) -> bool:
        return self._refused or self.transport.is_closing()

    def _refuse(self, status: HTTPStatus) -> None:
        """Say why, and hang up."""
        if self._hung_up():
            return
        self._refused = True
        code, detail = PROBLEMS[status]
        body = json.dumps(
            {
                "type": f"urn:tracesvc:problem:{code}",
                "title": status.phrase,
                "status": int(status),
                "detail": detail,
                "code": code,
            }
        ).encode()
        head = f"HTTP/1.1 {int(status)} {status.phrase}\r\ncontent-type: application/problem+json\r\n"
        head += f"content-length: {len(body)}\r\ncache-control: no-store\r\nconnection: close\r\n"
        head += "retry-after: 5\r\n\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else "\r\n"
        self.transport.write(head.encode() + body)
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            self.transport.close()
        else:
            self.transport.write_eof()
            self._expect(LINGER_SECONDS)


def bounded(bounds: Bounds) -> type[BoundedProtocol]:
    """The protocol class for uvicorn, which makes one object a connection."""
    return type("BoundedConnection", (BoundedProtocol,), {"bounds": bounds})
