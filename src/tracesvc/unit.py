"""A unit: one domain of up to 1000 containers, fetched by one statement and committed whole, or in parts.

What a failed statement is followed by (requirements.md, 1): an error that passes by another try, and when
that does not help, like one that says "too much at once", by its halves, down to single containers.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from tracesvc import meters, spans
from tracesvc.ahead import ReadAhead
from tracesvc.errors import TraceError
from tracesvc.lines import Fault, Rows
from tracesvc.results.tally import FAILED, DomainTally, coverage_of

logger = logging.getLogger(__name__)

RETRY_PAUSES_SECONDS: Final = (0.2, 1.0)
PING_PAUSES_SECONDS: Final = (0.2, 5.0)
# Eleven statements lead from 1000 containers to the one that fails. After so many failures in a row nothing
# of the domain is split any more until a statement succeeds: else a broken table would cost 2000 a unit.
MOST_FAILURES_IN_A_ROW: Final = 40

Start = Callable[[Sequence[str]], ReadAhead[Rows]]


class UnitSink(Protocol):
    """What a unit needs of a sink (`runner.Sink`)."""

    tallies: dict[str, DomainTally]

    async def add(self, domain: str, rows: bytes, count: int) -> None:
        """One more line for the unit in progress."""
        ...

    async def drop(self, domain: str) -> None:
        """Forget the lines of the unit in progress."""
        ...

    async def commit(self, domain: str, coverage: bytes, error: Fault | None = None) -> None:
        """The unit in progress is complete, or has failed for good."""
        ...


class Outage:
    """Whether the source is away: asked once for all units of a trace that stumble at the same time."""

    def __init__(self, ping: Callable[[], Awaitable[None]], patience_seconds: float) -> None:
        self._ping = ping
        self._patience = patience_seconds
        self._asking = asyncio.Lock()
        self.given_up = False

    async def look(self) -> Literal["answers", "back", "away"]:
        """Wait until the source answers: at once, after a while, or not within the patience."""
        async with self._asking:
            if self.given_up:
                return "away"
            deadline = asyncio.get_running_loop().time() + self._patience
            pause, longest = PING_PAUSES_SECONDS
            was_away = False
            while True:
                try:
                    await self._ping()
                except TraceError as error:
                    if not was_away:
                        logger.warning("the source is away (%s); waiting for it", error.code)
                    was_away = True
                else:
                    return "back" if was_away else "answers"
                if asyncio.get_running_loop().time() >= deadline:
                    self.given_up = True
                    return "away"
                await asyncio.sleep(_jittered(pause))
                pause = min(2 * pause, longest)


@dataclass
class Fate:
    """How a domain's statements fare, across its units."""

    outage: Outage
    failures_in_a_row: int = 0

    @property
    def hopeless(self) -> bool:
        """Nothing has succeeded for long: trying harder is of no use."""
        return self.outage.given_up or self.failures_in_a_row >= MOST_FAILURES_IN_A_ROW


class Unit:
    """Containers of a domain whose rows are being read: a few lines wait until it is their turn."""

    def __init__(self, domain: str, container_ids: Sequence[str], start: Start, *, divisible: bool) -> None:
        self.domain = domain
        self.container_ids = list(container_ids)
        self._start = start
        self._divisible = divisible
        self._rows = start(self.container_ids)
        self._unread = True

    async def close(self) -> None:
        """Break off what still runs."""
        await self._rows.close()

    async def commit(self, sink: UnitSink, fate: Fate) -> None:
        """Put the unit into the sink: whole, or in parts of which some may have failed."""
        parts = [self.container_ids]
        while parts:
            ids = parts.pop()
            error = await self._try(ids, sink, fate)
            if error is None:
                continue
            if self._divisible and len(ids) > 1 and _remedy(error) != "none" and not fate.hopeless:
                middle = len(ids) // 2
                logger.info("%s: %d containers failed together; halved", self.domain, len(ids))
                sink.tallies[self.domain].units_total += 1
                parts += [ids[middle:], ids[:middle]]
            else:
                await self._give_up(ids, sink, error)

    async def _try(self, ids: list[str], sink: UnitSink, fate: Fate) -> Exception | None:
        """Fetch and commit these containers; the error that remains after the retries."""
        pauses = iter(RETRY_PAUSES_SECONDS)
        while (error := await self._once(ids, sink)) is not None:
            pause = next(pauses, None)
            if _remedy(error) != "again" or fate.hopeless:
                break
            if pause is not None:
                await asyncio.sleep(_jittered(pause))
            elif await fate.outage.look() == "back":
                pauses = iter(RETRY_PAUSES_SECONDS)
            else:
                break
        fate.failures_in_a_row = 0 if error is None else fate.failures_in_a_row + 1
        return error

    async def _once(self, ids: list[str], sink: UnitSink) -> Exception | None:
        """One statement. Raises only what is the sink's own error."""
        if not self._unread:
            await self._rows.close()
            self._rows = self._start(ids)
        self._unread = False
        found: set[str] = set()
        begun = time.monotonic()
        try:
            async for rows in self._rows:
                found |= rows.containers
                await sink.add(self.domain, rows.data, rows.count)
        except Exception as error:
            if error is not self._rows.error:
                raise
            await sink.drop(self.domain)
            code = error.code if isinstance(error, TraceError) else TraceError.code
            meters.UNIT_FAILURES.labels(self.domain, code).inc()
            return error
        with spans.span("commit", domain=self.domain, containers=len(ids)):
            await sink.commit(self.domain, coverage_of(ids, found))
        meters.UNIT_SECONDS.labels(self.domain).observe(time.monotonic() - begun)
        return None

    async def _give_up(self, ids: list[str], sink: UnitSink, failure: Exception) -> None:
        """Count the containers as failed; what is no error of ours goes to the log, not to the caller."""
        if not isinstance(failure, TraceError):
            logger.error("%s: a unit broke off", self.domain, exc_info=failure)
            failure = TraceError("A statement's rows could not be read. The log says why.")
        await give_up(self.domain, len(ids), sink, failure)


async def give_up(domain: str, count: int, sink: UnitSink, failure: TraceError) -> None:
    """Commit the next `count` containers as failed."""
    logger.warning("%s: %d containers could not be fetched: %s", domain, count, failure.code)
    meters.CONTAINERS_FAILED.labels(domain).inc(count)
    await sink.commit(domain, bytes([FAILED]) * count, Fault(code=failure.code, message=failure.detail))


def _remedy(error: Exception) -> str:
    return error.remedy if isinstance(error, TraceError) else "split"


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, no secret
