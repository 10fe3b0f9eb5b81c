"""A file that a process of its own writes: lines in, the file's bytes out, at the pace of the slower side."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from typing import Final, Self

from tracesvc.files.feed import END_OF_DOMAIN, UNREAD, FedLine
from tracesvc.files.order import FileOrder

PART_BYTES: Final = 128 * 1024
PATIENCE_SECONDS: Final = 5
_NOTE_BYTES: Final = 2000
_KEPT_MEMORY: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(16 << 20),
}
"""For glibc: a block of a line's size is used again, where each would be given back to the system and come
from it zeroed. 1.2 M records to Parquet: 5.1 s instead of 7.0 s. The process is short: nothing stays held."""


class FileNotWritten(Exception):
    """The process that writes ended early; the text is its last word."""


class FileUnread(FileNotWritten):
    """Whoever read the file has left."""


class FileWriter:
    """The near end of one such process: `start`, `send` and `end_domain`, `finish`, `wait`; always `kill`.

    With `target`, an open file descriptor, the file goes there; without, it is read from `parts`.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, order: FileOrder, *, target: int | None = None) -> Self:
        """Start the process and tell it the order."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tracesvc.files"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE if target is None else target,
            stderr=asyncio.subprocess.PIPE,
            limit=PART_BYTES,
            env={**os.environ, **_KEPT_MEMORY},
            start_new_session=True,  # Ctrl-C is for whoever reads our own output
        )
        writer = cls(process)
        await writer._write(order.to_json() + b"\n")
        return writer

    async def send(self, line: bytes, records: int) -> None:
        """One `records` line, plain or as its zstd frame, of so many records. Raises `FileNotWritten`."""
        await self._write(FedLine(line, records).head(), line)

    async def end_domain(self) -> None:
        """No more lines of this domain."""
        await self._write(END_OF_DOMAIN)

    def finish(self) -> None:
        """All was sent."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def wait(self) -> None:
        """Until the file is whole. Raises `FileNotWritten`."""
        if await self._process.wait():
            raise await self._reason()

    async def parts(self) -> AsyncIterator[bytes]:
        """The file, as it is written."""
        assert self._process.stdout is not None
        while part := await self._process.stdout.read(PART_BYTES):
            yield part

    async def kill(self) -> None:
        """Whatever it was doing, it ends; nothing happens when it has."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()  # it takes its helpers along
        try:
            await asyncio.wait_for(self._process.wait(), PATIENCE_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _write(self, *pieces: bytes) -> None:
        assert self._process.stdin is not None
        try:
            for piece in pieces:
                self._process.stdin.write(piece)
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise await self._reason() from None

    async def _reason(self) -> FileNotWritten:
        assert self._process.stderr is not None
        if await self._process.wait() == UNREAD:
            return FileUnread("whoever read the file has left")
        said = (await self._process.stderr.read(_NOTE_BYTES)).decode(errors="replace").strip()
        return FileNotWritten(said.splitlines()[-1] if said else "the process that writes the file ended")
