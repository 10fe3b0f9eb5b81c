"""A bad network between a client and the service: cuts, delays, a 502 now and then, or a lost last line."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

PIECE_BYTES: Final = 16 * 1024
BAD_GATEWAY: Final = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class Proxy:
    """What it does to answers, and what it has done."""

    upstream: str
    cut_bytes: int | None = None
    bad_gateway_every: int | None = None
    delay_seconds: float = 0.0
    drop: bytes | None = None
    cuts: int = 0
    refusals: int = 0
    url: str = ""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _random: random.Random = field(default_factory=lambda: random.Random(7))
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, which carries one request."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def close(self) -> None:
        """Break off what it still serves."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_length(head))
            if self.bad_gateway_every and next(self._numbers) % self.bad_gateway_every == 0:
                self.refusals += 1
                writer.write(BAD_GATEWAY)
            else:
                await self._pass(self._rewritten(head) + body, writer)
            await writer.drain()

    async def _pass(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        place = urlsplit(self.upstream)
        source, target = await asyncio.open_connection(place.hostname, place.port)
        try:
            target.write(request)
            if self.drop is not None:
                await self._pass_lines(source, writer, self.drop)
                return
            left = self._random.randint(1, 2 * self.cut_bytes) if self.cut_bytes else None
            while piece := await source.read(PIECE_BYTES):
                await asyncio.sleep(self.delay_seconds)
                writer.write(piece if left is None else piece[:left])
                await writer.drain()
                left = None if left is None else left - len(piece)
                if left is not None and left <= 0:
                    self.cuts += 1
                    writer.transport.abort()
                    return
        finally:
            target.close()

    async def _pass_lines(
        self, source: asyncio.StreamReader, writer: asyncio.StreamWriter, drop: bytes
    ) -> None:
        """The body's lines but those that begin with `drop`; it ends as if it were whole."""
        head = await source.readuntil(b"\r\n\r\n")
        if b"transfer-encoding: chunked" not in head:
            writer.write(head + await source.read())
            return
        writer.write(head.replace(b"transfer-encoding: chunked\r\n", b""))
        rest = b""
        while size := int(await source.readline() or b"0", 16):
            *lines, rest = (rest + await source.readexactly(size)).split(b"\n")
            await source.readline()
            writer.writelines(line + b"\n" for line in lines if not line.startswith(drop))
            await writer.drain()
        writer.write(rest)
        self.cuts += 1

    def _rewritten(self, head: bytes) -> bytes:
        head = head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n").replace(
            b"Connection: keep-alive\r\n", b""
        )
        return (
            head
            if self.drop is None
            else head.replace(b"Accept-Encoding: zstd", b"Accept-Encoding: identity")
        )


def _length(head: bytes) -> int:
    names = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next((int(value) for name, _, value in names if name == b"content-length"), 0)


@asynccontextmanager
async def running_proxy(proxy: Proxy) -> AsyncIterator[Proxy]:
    """Let it serve inside the block, at `proxy.url`."""
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=1 << 22)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
