"""HTTP/1.1 and zstd as they are on the wire: chunk boundaries, raw bytes, single frames."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import zstandard

ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


class CutError(Exception):
    """The connection ended before the body did."""


@dataclass
class RawResponse:
    """A response whose body is read chunk by chunk; unread, it slows the server by back-pressure."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    headers: dict[str, str]
    chunks: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """What was read so far, the chunks joined."""
        return b"".join(self.chunks)

    async def read_chunk(self) -> bytes:
        """The next HTTP chunk, or the whole body when it has a length; empty at the end."""
        try:
            data = await self._next()
        except (asyncio.IncompleteReadError, ConnectionError, ValueError) as error:
            raise CutError(str(error)) from error
        if data:
            self.chunks.append(data)
        return data

    async def _next(self) -> bytes:
        if "chunked" in self.headers.get("transfer-encoding", ""):
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data = await self.reader.readexactly(size + 2)
            return data[:-2]
        if self.chunks:
            return b""
        return await self.reader.readexactly(int(self.headers.get("content-length", "0")))

    async def read(self) -> bytes:
        """The rest of the body; all that was read so far is returned."""
        while await self.read_chunk():
            pass
        return self.body

    async def read_some(self, size: int) -> bytes:
        """The body's bytes up to at least `size` of them, or to its end."""
        while sum(map(len, self.chunks)) < size and await self.read_chunk():
            pass
        return self.body


@asynccontextmanager
async def raw_get(
    url: str, *, headers: Mapping[str, str] | None = None, buffer: int = 64 * 1024
) -> AsyncIterator[RawResponse]:
    """GET over a bare socket; leaving the block closes the connection at once, wherever the body is.

    What is not read waits at the server: the system holds about `buffer` bytes here and no more.
    """
    parts = urlsplit(url)
    bare = socket.socket()
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)  # before it connects: a fixed window
    bare.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(bare, (parts.hostname, parts.port))
    except BaseException:
        bare.close()
        raise
    reader, writer = await asyncio.open_connection(sock=bare, limit=buffer)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    try:
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        yield await _answer(reader, writer)
    finally:
        writer.transport.abort()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> RawResponse:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = dict(line.split(": ", 1) for line in head[1:] if line)
    return RawResponse(
        reader, writer, int(head[0].split()[1]), {name.lower(): value for name, value in fields.items()}
    )


class RawPoster:
    """One connection that posts the same body again and again; httpx takes ten times as long for each."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        self._reader, self._writer, self._request = reader, writer, request

    async def post(self) -> tuple[int, bytes]:
        """Status and body of the answer."""
        self._writer.write(self._request)
        answer = await _answer(self._reader, self._writer)
        return answer.status, await answer.read()


@asynccontextmanager
async def raw_poster(url: str, body: bytes, headers: dict[str, str]) -> AsyncIterator[RawPoster]:
    """A connection for JSON to this address, closed at the end of the block."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in (headers | {"Content-Length": str(len(body))}).items()]
    try:
        yield RawPoster(reader, writer, ("\r\n".join(lines) + "\r\n\r\n").encode() + body)
    finally:
        writer.transport.abort()


def frames(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each zstd frame of `data` with what it holds; a frame that is cut short is a `CutError`."""
    while data:
        decoder = zstandard.ZstdDecompressor().decompressobj()
        content = decoder.decompress(data)
        if not decoder.eof:
            raise CutError("the body ends inside a frame")
        yield data[: len(data) - len(decoder.unused_data)], content
        data = decoder.unused_data


def inflate(data: bytes) -> bytes:
    """The content of concatenated frames; the last one may be cut, then what it gave so far counts."""
    pieces = []
    while data:
        decoder = zstandard.ZstdDecompressor().decompressobj()
        pieces.append(decoder.decompress(data))
        data = decoder.unused_data
    return b"".join(pieces)


def whole_lines(data: bytes) -> list[bytes]:
    """The lines that arrived completely, without their newline; a cut last line is left out."""
    return data.split(b"\n")[:-1]
