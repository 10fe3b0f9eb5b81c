"""Analyses, asked of processes of their own: few, kept while they are used, ended when they are not.

An answer is the bytes that the process wrote. A caller that leaves in the middle costs its process, no more;
callers that find every process busy wait in line.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

from tracesvc.aggregation.requests import LENGTH_BYTES, WELL, Place, Question, raise_again, to_line
from tracesvc.aggregation.shelf import Shelf
from tracesvc.errors import TraceError
from tracesvc.settings import Settings

IDLE_SECONDS: Final = 60.0
"""A process that nobody asks ends after that long: it holds 60-290 MB, and starting one takes 0.3 s."""

LOST: Final = "The analysis broke off: its process ended. Try again; the log may say why."


class Analyst:
    """Asks at most `TRACE_AGGREGATION_PROCESSES` processes at once; `close` ends them all."""

    def __init__(self, settings: Settings) -> None:
        self._place = Place(
            results_url=settings.results_redis_url or settings.redis_url,
            prefix=settings.trace_redis_prefix,
            folder=str((settings.trace_data_dir / "cache" / "analysis").absolute()),
            max_bytes=settings.trace_aggregation_cache_max_bytes,
            memory_mib=settings.trace_aggregation_memory_mib,
        )
        self._shelf = Shelf(Path(self._place.folder), self._place.max_bytes)
        self._turns = asyncio.Semaphore(settings.trace_aggregation_processes)
        self._idle: dict[Process, asyncio.TimerHandle] = {}
        self._all: set[Process] = set()
        self._ending: set[asyncio.Task[int]] = set()

    async def ask(self, question: Question) -> bytes:
        """The whole answer. Raises what went wrong, as an error of the tree."""
        async with contextlib.aclosing(await self.stream(question)) as parts:
            return b"".join([part async for part in parts])

    async def stream(self, question: Question) -> AsyncGenerator[bytes, None]:
        """The answer's parts, once it is known that there will be one; close it. Raises as `ask` does."""
        parts = self._parts(question)
        await anext(parts)
        return parts

    def forget(self, job_id: str) -> None:
        """The job was deleted: its file goes, on this machine now, on others when nobody uses it."""
        self._shelf.drop(job_id)

    async def _parts(self, question: Question) -> AsyncGenerator[bytes, None]:
        async with self._turns:
            process, told = await self._begin(question)
            whole = False
            try:
                if told != WELL:
                    whole = await _part(process) is None
                    raise_again(told)
                yield b""
                while (data := await _part(process)) is not None:
                    yield data
                whole = True
            finally:
                self._give_back(process) if whole else self._end(process)

    async def _begin(self, question: Question) -> tuple[Process, bytes]:
        """A process that answers, and the first part. One that died while nobody asked it is replaced."""
        while True:
            process, is_new = await self._take()
            try:
                _tell(process, to_line(question))
                return process, await _part(process) or b""
            except BaseException as error:
                self._end(process)
                if is_new or not isinstance(error, TraceError):
                    raise

    async def _take(self) -> tuple[Process, bool]:
        if self._idle:
            process, timer = self._idle.popitem()
            timer.cancel()
            return process, False
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tracesvc.aggregation", stdin=PIPE, stdout=PIPE, start_new_session=True
        )
        self._all.add(process)
        _tell(process, to_line(self._place))
        return process, True

    def _give_back(self, process: Process) -> None:
        loop = asyncio.get_running_loop()
        self._idle[process] = loop.call_later(IDLE_SECONDS, self._end, process)

    def _end(self, process: Process) -> None:
        """It holds nothing that would have to be finished."""
        if timer := self._idle.pop(process, None):
            timer.cancel()
        self._all.discard(process)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        task = asyncio.ensure_future(process.wait())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End every process, also one that is answering."""
        for process in tuple(self._all):
            self._end(process)
        await asyncio.gather(*self._ending)


def _tell(process: Process, line: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(line)
    except RuntimeError as error:  # uvloop's word for a pipe that the other side closed
        raise TraceError(LOST) from error


async def _part(process: Process) -> bytes | None:
    """The next part of the answer, None at its end."""
    assert process.stdout is not None
    try:
        length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
        return await process.stdout.readexactly(length) if length else None
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise TraceError(LOST) from error
