"""A client that costs next to nothing: bodies are read as they come, neither inflated nor parsed."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

HOST: Final = "127.0.0.1"
PIECE_BYTES: Final = 1 << 20
SILENCE_SECONDS: Final = 600.0
UNREAD_SECONDS: Final = 1.0
"""How long streams that are opened side by side stay unread: the server holds what it may for each."""


class Refused(Exception):
    """An answer that a measurement cannot go on with."""


@dataclass(frozen=True)
class OpenStreams:
    """What became of streams that were open at the same time."""

    asked: int
    intact: int
    bytes: int


@contextlib.contextmanager
def opened(
    port: int, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None = None
) -> Iterator[http.client.HTTPResponse]:
    """One request on a connection of its own; its answer, still unread. Raises `Refused` from 400 on."""
    connection = http.client.HTTPConnection(HOST, port, timeout=SILENCE_SECONDS)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise Refused(f"{method} {path}: HTTP {answer.status}, {answer.read(500)!r}")
        yield answer
    finally:
        connection.close()


def ask(
    port: int, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> bytes:
    """The whole body of the answer."""
    with opened(port, method, path, headers=headers or {}, body=body) as answer:
        return answer.read()


def read_through(port: int, path: str, *, headers: Mapping[str, str]) -> int:
    """Read a stream to its end; the bytes of its body."""
    with opened(port, "GET", path, headers=headers) as answer:
        return _read(answer, until=time.monotonic() + SILENCE_SECONDS)


def read_side_by_side(
    port: int, path: str, *, headers: Mapping[str, str], count: int, seconds: float
) -> OpenStreams:
    """Open `count` streams, leave them unread for a moment, then read all for at most `seconds`."""
    all_open = threading.Barrier(count)

    def one(_number: int) -> int | None:
        try:
            with opened(port, "GET", path, headers=headers) as answer:
                all_open.wait(SILENCE_SECONDS)
                time.sleep(UNREAD_SECONDS)
                return _read(answer, until=time.monotonic() + seconds)
        except (OSError, http.client.HTTPException, Refused, threading.BrokenBarrierError):
            all_open.abort()
            return None

    with ThreadPoolExecutor(count) as pool:
        found = [size for size in pool.map(one, range(count)) if size is not None]
    return OpenStreams(count, len(found), sum(found))


def _read(answer: http.client.HTTPResponse, *, until: float) -> int:
    size = 0
    while (piece := answer.read1(PIECE_BYTES)) and time.monotonic() < until:
        size += len(piece)
    return size
