"""A trace that is answered at once: the runner's sink is the response itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from tracesvc.catalogue import Catalogue
from tracesvc.encoders import in_encoder
from tracesvc.errors import SourceTimeout, SourceUnavailable, TraceError
from tracesvc.line_bytes import records_line
from tracesvc.lines import Fault
from tracesvc.results.codec import pack
from tracesvc.results.pieces import Piece, Records
from tracesvc.results.reader import start_line
from tracesvc.results.tally import DomainTally

# Lines that wait for a slow client; then the source waits too.
LINES_AHEAD: Final = 8
INTERNAL: Final = {
    "code": "INTERNAL_ERROR",
    "message": "The trace broke off. Its log line says why; try again.",
}


class DirectSink:
    """Holds a unit's lines until it is complete, then hands them to the response.

    `probe(domain)` tells whether the first unit of another domain can be fetched: only when none can, the
    answer is an error status instead of lines (protocol.md, 1).
    """

    def __init__(
        self,
        domains: Sequence[str],
        asked: int,
        catalogue: Catalogue,
        probe: Callable[[str], Awaitable[bool]],
    ) -> None:
        self.tallies = {domain: DomainTally(domain, asked) for domain in domains}
        self._catalogue = catalogue
        self._probe = probe
        self._queue: asyncio.Queue[Piece | None] = asyncio.Queue(LINES_AHEAD)
        self._unit: list[tuple[Records, int, str]] = []
        self._decided: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def decided(self) -> None:
        """Returns once a first unit was fetched; raises when the source can answer none."""
        await asyncio.shield(self._decided)

    def resume(self, domain: str) -> int:
        """Nothing is ever done already."""
        return self.tallies[domain].ids_done

    async def begin(self, domain: str, units: int) -> None:
        """The domain's first line."""
        await self._queue.put(start_line(self._catalogue, domain, units=units, total=None))

    async def add(self, domain: str, rows: bytes, count: int) -> None:
        """One more line for the unit in progress."""
        tally = self.tallies[domain]
        batch = tally.batches + len(self._unit)
        offset = tally.records + sum(records for _, records, _ in self._unit)
        frame = await in_encoder(lambda: pack(records_line(domain, batch, offset, count, rows)))
        self._unit.append((Records(domain, frame=frame.data), count, frame.line_digest))

    async def drop(self, domain: str) -> None:  # noqa: ARG002 - domains come one after the other
        """Forget the unit in progress."""
        self._unit.clear()

    async def commit(self, domain: str, coverage: bytes, error: Fault | None = None) -> None:
        """Hand the unit's lines on; the first one decides the status of the response."""
        tally = self.tallies[domain]
        if not self._decided.done():
            await self._decide(domain, error)
        tally.count_unit(coverage)
        tally.error = error or tally.error
        unit, self._unit = self._unit, []
        for records, count, digest in unit:
            tally.count_line(count, digest)
            await self._queue.put(records)

    async def end(self, domain: str) -> None:
        """The domain's last line."""
        await self._queue.put(self.tallies[domain].end_line())

    async def close(self, error: Exception | None = None) -> None:
        """No line follows; `error` becomes the answer when nothing is decided yet."""
        if not self._decided.done():
            if error is None:
                self._decided.set_result(None)
            else:
                self._decided.set_exception(error)
        await self._queue.put(None)

    async def _decide(self, domain: str, error: Fault | None) -> None:
        if error is not None:
            others = [name for name in self.tallies if name != domain]
            if not any([await self._probe(name) for name in others]):
                self._decided.set_exception(_refusal(error))
                return
        self._decided.set_result(None)

    async def lines(self) -> AsyncIterator[Piece]:
        """What the runner hands over, until `close`."""
        while (piece := await self._queue.get()) is not None:
            yield piece


def _refusal(error: Fault) -> TraceError:
    kind = SourceTimeout if error.code == SourceTimeout.code else SourceUnavailable
    return kind(error.message, headers={"Retry-After": "5"})
