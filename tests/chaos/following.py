"""A client that follows a job to its end in bounded memory, and compares what it gets with the plant."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import httpx

from tests.chaos.size import pick
from tests.grammar import StreamChecker, require
from tests.plain import PlainPlant, Reconciliation
from tests.streams import IDENTITY, as_of, path_of

RESUMABLE: Final = "QUEUE_UNAVAILABLE"  # Redis was away: the job may go on
SILENCE: Final = httpx.Timeout(30, read=60)  # progress comes every 5 s
PAUSE: Final = 0.1
PATIENCE: Final[float] = pick(90, 3000)


class JobGone(Exception):
    """The job that is followed is not known any more."""


class Follower:
    """Reads a job's stream, over as many connections as it takes, and goes on by cursor where it was cut.

    `urls` are tried in turn. With a `plain` plant each record is compared as it comes.
    """

    def __init__(self, job_id: str, urls: Sequence[str], plain: PlainPlant | None = None) -> None:
        self.seen = StreamChecker(keep=False)
        self.received = 0
        self.cuts: list[str] = []
        self._path, self._urls, self._plain = path_of(job_id), list(urls), plain
        self._checks: dict[str, Reconciliation] = {}

    async def follow(self) -> StreamChecker:
        """To the last line. Fails when the job is not complete, or differs from the plant."""
        last = await self.to_last_line()
        require(last["type"] == "complete", f"ended with {last}")
        for name, check in self._checks.items():
            check.close()
            require(self.seen.domains[name].count == check.seen, f"{name}: {check.seen} of the records came")
        return self.seen

    async def to_last_line(self) -> dict[str, Any]:
        """To the last line, whatever it says. Raises `JobGone` when the job is not known any more."""
        async with asyncio.timeout(PATIENCE):
            while True:
                cut = await self._connection(self._urls[len(self.cuts) % len(self._urls)])
                if cut is None:
                    assert self.seen.last is not None
                    return self.seen.last
                self.cuts.append(cut)
                await asyncio.sleep(PAUSE)

    async def _connection(self, url: str) -> str | None:
        """Read one stream; None at the last line, else why the client must come again."""
        after = {"after": self.seen.cursor} if self.seen.cursor else {}
        try:
            async with (
                httpx.AsyncClient(base_url=url, timeout=SILENCE) as client,
                client.stream("GET", self._path, params=after, headers=IDENTITY) as response,
            ):
                if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                    return "503"
                if response.status_code == httpx.codes.NOT_FOUND:
                    raise JobGone(self._path)
                if response.status_code != httpx.codes.OK:
                    raise AssertionError(f"{response.status_code}: {await response.aread()!r}")
                self.seen = StreamChecker(keep=False, resumes=self.seen if after else None)
                await self._lines(response)
        except httpx.TransportError as error:
            return type(error).__name__
        last = self.seen.last
        if last is None:
            return "cut"
        return RESUMABLE if last.get("code") == RESUMABLE else None

    async def _lines(self, response: httpx.Response) -> None:
        rest = b""
        async for piece in response.aiter_raw():
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                self._take(self.seen.feed(line + b"\n"))

    def _take(self, line: dict[str, Any]) -> None:
        if line["type"] != "records":
            return
        self.received += line["count"]
        if self._plain is not None:
            name = line["domain"]
            if name not in self._checks:
                self._checks[name] = Reconciliation(self._plain, name, as_of(self.seen.meta))
            self._checks[name].feed(line["data"])


async def flows_again(client: Follower, *, within: float) -> float:
    """Wait for the next records to arrive, and say how many seconds that took."""
    begin, before = time.monotonic(), client.received
    while client.received <= before:
        last = client.seen.last
        require(last is None or last.get("code") == RESUMABLE, f"the stream ended meanwhile: {last}")
        require(time.monotonic() - begin < within, f"no records within {within} s")
        await asyncio.sleep(0.02)
    return time.monotonic() - begin
