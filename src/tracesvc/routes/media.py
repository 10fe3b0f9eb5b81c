"""Media types: what a client accepts, and result bodies in each of the forms it may take."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from redis.exceptions import RedisError
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tracesvc.errors import JobNotFound, NotAcceptable, ResultDamaged
from tracesvc.lines import CompleteLine, ErrorLine
from tracesvc.results.codec import MAGIC
from tracesvc.results.document import to_answer, to_document
from tracesvc.results.pieces import LinePart, Pieces, Plain, zstd_bytes
from tracesvc.results.reader import CANCELLED

logger = logging.getLogger(__name__)

NDJSON = "application/x-ndjson"
ZSTD = "application/zstd"
JSON = "application/json"
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept, Accept-Encoding"}


def weight(header: str, media_type: str) -> float:
    """The q that an `Accept…` header gives a value (RFC 9110, 12.4.2); 0 is not accepted."""
    best, best_rank = 0.0, -1
    for part in header.split(","):
        name, *parameters = (piece.strip() for piece in part.lower().split(";"))
        rank = _rank(name, media_type)
        if rank > best_rank:
            best, best_rank = _quality(parameters), rank
    return best


def _rank(name: str, media_type: str) -> int:
    if name == media_type:
        return 2
    if name == media_type.partition("/")[0] + "/*":
        return 1
    return 0 if name in {"*/*", "*"} else -1


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def choose(accept: str | None, offered: Sequence[str]) -> str:
    """The offered media type that is accepted most, the first of equals; raises `NotAcceptable`."""
    if accept is None or not accept.strip():
        return offered[0]
    best = max(offered, key=lambda media_type: weight(accept, media_type))
    if weight(accept, best) == 0:
        raise NotAcceptable(f"This is served as {' or '.join(offered)}; Accept admits none of them.")
    return best


def takes_zstd(accept_encoding: str | None) -> bool:
    """Whether the client asked for zstd by name."""
    names = [part.split(";")[0].strip().lower() for part in (accept_encoding or "").split(",")]
    return "zstd" in names and weight(accept_encoding or "", "zstd") > 0


class Streamed(StreamingResponse):
    """A streamed body, broken off as soon as the client leaves, also while there is nothing to send.

    However it ends, also when the client left before it began, `closing` is awaited.
    """

    closing: Callable[[], Awaitable[None]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the body, then close what it was read from."""
        del scope
        sending = asyncio.create_task(self.stream_response(send), name="stream")
        leaving = asyncio.create_task(_client_left(receive), name="client")
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone = leaving.done()
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            if self.closing is not None:
                await asyncio.shield(asyncio.ensure_future(self.closing()))
        if not gone and not sending.cancelled():
            sending.result()


async def _client_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def stream_response(pieces: Pieces, media_type: str, *, accept_encoding: str | None) -> Streamed:
    """A result as NDJSON: plain, as zstd encoding, or as a zstd body."""
    headers = dict(STREAM_HEADERS)
    if media_type == ZSTD:
        return Streamed(_zstd(pieces), media_type=ZSTD, headers=headers)
    if takes_zstd(accept_encoding):
        headers["Content-Encoding"] = "zstd"
        return Streamed(_zstd(pieces), media_type=NDJSON, headers=headers)
    return Streamed(_plain(pieces), media_type=NDJSON, headers=headers)


def document_response(pieces: Pieces) -> Streamed:
    """A result as one JSON document."""
    return Streamed(to_document(pieces), media_type=JSON, headers=dict(STREAM_HEADERS))


def answer_response(pieces: Pieces) -> Streamed:
    """The answer of a stage that was all of its job."""
    return Streamed(to_answer(pieces), media_type=JSON, headers=dict(STREAM_HEADERS))


async def _plain(pieces: Pieces) -> AsyncIterator[bytes]:
    plain = Plain()
    async for piece in pieces:
        for part in plain.parts(piece):
            yield part


async def _zstd(pieces: Pieces) -> AsyncIterator[bytes]:
    """Frames, cut so that no part ends between two: each carries the next one's magic (protocol.md, 2)."""
    begin = 0
    async for piece in pieces:
        data = zstd_bytes(piece)
        if not isinstance(piece, LinePart) or piece.first:
            data = data[begin:]
        whole = not isinstance(piece, LinePart) or piece.last
        begin = len(MAGIC) if whole else 0
        yield data + (MAGIC if whole and not isinstance(piece, CompleteLine | ErrorLine) else b"")


async def guarded(pieces: Pieces, cursor: Callable[[], object | None]) -> Pieces:
    """The same pieces; what breaks on the way becomes the `error` line, with a cursor to go on from."""
    try:
        async for piece in pieces:
            yield piece
    except ResultDamaged as error:
        yield ErrorLine(code=error.code, message=error.detail, retryable=False, resume_after=_text(cursor()))
    except JobNotFound:
        yield ErrorLine(code=CANCELLED["code"], message=CANCELLED["message"], retryable=False)
    except (RedisError, OSError):
        message = "Redis was lost while the result was read. Go on from the cursor in a moment."
        yield ErrorLine(
            code="QUEUE_UNAVAILABLE", message=message, retryable=True, resume_after=_text(cursor())
        )
    except Exception:
        logger.exception("a stream broke off")
        message = "The stream broke off. The log says why; go on from the cursor."
        yield ErrorLine(code="INTERNAL_ERROR", message=message, retryable=True, resume_after=_text(cursor()))


def _text(cursor: object | None) -> str | None:
    return None if cursor is None else str(cursor)
