"""A trace, run unit by unit: container ids and a domain go to the source, lines go to a sink.

Plain coroutines: no queue, no HTTP. Units of a domain are fetched a few at a time and committed in the
order of the ids asked (protocol.md, 2, rule 10), so that a checkpoint is a position and two runs give the
same lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from tracesvc.ahead import ReadAhead
from tracesvc.errors import SourceTimeout, SourceUnavailable, TraceError
from tracesvc.fetch import EventFetcher
from tracesvc.lines import Fault, Rows
from tracesvc.results.tally import FAILED, DomainTally, coverage_of

logger = logging.getLogger(__name__)

# The first units are small so that the first records are out at once; a statement's fixed cost makes the
# later ones large. Growing fourfold costs two more statements a domain than starting large.
FIRST_UNIT_CIDS: Final = 32
UNIT_GROWTH: Final = 4
ROWS_AHEAD: Final = 4
RETRY_PAUSES_SECONDS: Final = (0.2, 1.0)


class Sink(Protocol):
    """Where a trace's lines go. Calls for one domain come one after the other."""

    tallies: dict[str, DomainTally]

    def resume(self, domain: str) -> int:
        """The number of ids whose units are committed already."""
        ...

    async def begin(self, domain: str, units: int) -> None:
        """`units` more statements will run for the domain."""
        ...

    async def add(self, domain: str, rows: bytes, count: int) -> None:
        """One more line for the unit in progress."""
        ...

    async def drop(self, domain: str) -> None:
        """The unit in progress failed: forget its lines."""
        ...

    async def commit(self, domain: str, coverage: bytes, error: Fault | None = None) -> None:
        """The unit in progress is complete, or has failed for good."""
        ...

    async def end(self, domain: str) -> None:
        """No unit of the domain follows."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: ids and domains, how wide, and the moment that open intervals are measured against."""

    container_ids: list[str]
    domains: tuple[str, ...]
    as_of: datetime
    unit_cids: int
    domains_at_once: int
    units_at_once: int


def cut(count: int, start: int, size: int | None) -> list[slice]:
    """Units over ids [start, count): small first, then `size` ids each; one for all when `size` is None."""
    if size is None:
        return [slice(start, count)] if start < count else []
    units: list[slice] = []
    begin, width = 0, min(FIRST_UNIT_CIDS, size)
    while begin < count:
        end = min(begin + width, count)
        if end > start:
            units.append(slice(max(begin, start), end))
        begin, width = end, min(width * UNIT_GROWTH, size)
    return units


async def run(plan: Plan, fetcher: EventFetcher, sink: Sink) -> None:
    """Fetch every domain of the plan into the sink; returns when each has ended, whole or not.

    What cannot be fetched is counted in the sink's tallies. Raises only what makes the sink unusable.
    """
    turns, first_records = asyncio.Semaphore(plan.domains_at_once), asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            for domain in plan.domains:
                group.create_task(_run_domain(plan, domain, fetcher, sink, turns, first_records))
    except BaseExceptionGroup as failures:
        raise _first(failures) from None


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    while isinstance(failures.exceptions[0], BaseExceptionGroup):
        failures = failures.exceptions[0]
    return failures.exceptions[0]


async def _run_domain(
    plan: Plan,
    domain: str,
    fetcher: EventFetcher,
    sink: Sink,
    turns: asyncio.Semaphore,
    first_records: asyncio.Event,
) -> None:
    """One domain, unit after unit.

    Until the first unit of the first domain is out, no other statement runs: among four on two cores it
    took 70 ms, alone it takes 35.
    """
    if domain != plan.domains[0]:
        await first_records.wait()
    async with turns, contextlib.AsyncExitStack() as stack:
        size = fetcher.unit_size(domain, plan.unit_cids)
        todo = deque(cut(len(plan.container_ids), sink.resume(domain), size))
        await sink.begin(domain, len(todo))
        ahead: deque[_Unit] = deque()
        gate = asyncio.Semaphore(plan.units_at_once)
        while todo or ahead:
            # One more than are fetched at once: while a unit is committed, the statements go on.
            while todo and len(ahead) < (plan.units_at_once + 1 if first_records.is_set() else 1):
                unit = _Unit(fetcher, domain, plan.container_ids[todo.popleft()], plan, gate)
                stack.push_async_callback(unit.close)
                ahead.append(unit)
            await _commit_unit(ahead.popleft(), sink)
            first_records.set()
        first_records.set()
        await sink.end(domain)


async def _commit_unit(unit: _Unit, sink: Sink) -> None:
    for pause in (*RETRY_PAUSES_SECONDS, None):
        try:
            found: set[str] = set()
            async for rows in unit.rows:
                found |= rows.containers
                await sink.add(unit.domain, rows.data, rows.count)
        except Exception as error:
            if error is not unit.rows.error:
                raise
            await sink.drop(unit.domain)
            if pause is None or not isinstance(error, SourceUnavailable | SourceTimeout):
                await _give_up(unit, sink, error)
                return
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret
            unit.again()
        else:
            await sink.commit(unit.domain, coverage_of(unit.container_ids, found))
            return


async def _give_up(unit: _Unit, sink: Sink, failure: Exception) -> None:
    """Count the unit's containers as failed; what is no error of ours goes to the log, not to the caller."""
    if isinstance(failure, TraceError):
        error = failure
    else:
        logger.error("%s: a unit broke off", unit.domain, exc_info=failure)
        error = TraceError("A statement's rows could not be read. The log says why.")
    count = len(unit.container_ids)
    logger.warning("%s: %d containers could not be fetched: %s", unit.domain, count, error.code)
    await sink.commit(unit.domain, bytes([FAILED]) * count, Fault(code=error.code, message=error.detail))


class _Unit:
    """One statement in flight: its rows wait, a few lines at most, until the unit's turn to be committed."""

    def __init__(
        self,
        fetcher: EventFetcher,
        domain: str,
        container_ids: Sequence[str],
        plan: Plan,
        gate: asyncio.Semaphore,
    ) -> None:
        self.domain = domain
        self.container_ids = list(container_ids)
        self._fetcher = fetcher
        self._plan = plan
        self._gate = gate
        self.rows = self._start()

    def _start(self) -> ReadAhead[Rows]:
        lines = self._fetcher.lines(
            self.domain,
            self.container_ids,
            as_of=self._plan.as_of,
            asked=len(self._plan.container_ids),
            gate=self._gate,
        )
        return ReadAhead(lines, ROWS_AHEAD)

    def again(self) -> None:
        """Begin anew, after what was fetched has failed."""
        self.rows = self._start()

    async def close(self) -> None:
        """Break off what still runs."""
        await self.rows.close()
