"""A trace, run unit by unit: container ids and a domain go to the source, lines go to a sink.

Plain coroutines: no queue, no HTTP. Units of a domain are fetched a few at a time and committed in the
order of the ids asked (protocol.md, 2, rule 10), so that a checkpoint is a position and two runs give the
same lines.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from tracesvc.ahead import ReadAhead
from tracesvc.errors import SourceUnavailable
from tracesvc.fetch import EventFetcher
from tracesvc.lines import Rows
from tracesvc.unit import Fate, Outage, Unit, UnitSink, give_up

# The first units are small so that the first records are out at once; a statement's fixed cost makes the
# later ones large. Growing fourfold costs two more statements a domain than starting large.
FIRST_UNIT_CIDS: Final = 32
UNIT_GROWTH: Final = 4
ROWS_AHEAD: Final = 4
AWAY: Final = "The plant's database did not answer for a while; what was left was not asked for."


class Sink(UnitSink, Protocol):
    """Where a trace's lines go. Calls for one domain come one after the other."""

    def resume(self, domain: str) -> int:
        """The number of ids whose units are committed already."""
        ...

    async def begin(self, domain: str, units: int) -> None:
        """`units` more statements will run for the domain."""
        ...

    async def end(self, domain: str) -> None:
        """No unit of the domain follows."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: ids and domains, how wide, and the moment that open intervals are measured against.

    A source that is away is waited for `patience_seconds`, then what is left counts as failed. `careful`: a
    worker was lost over this trace, so its next unit runs alone; then each attempt gains one at least, and
    what lies before a unit that kills workers is kept.
    """

    container_ids: list[str]
    domains: tuple[str, ...]
    as_of: datetime
    unit_cids: int
    domains_at_once: int
    units_at_once: int
    patience_seconds: float
    careful: bool = False


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
    run = _Run(plan, fetcher, sink, Outage(fetcher.ping, plan.patience_seconds))
    try:
        async with asyncio.TaskGroup() as group:
            for domain in plan.domains:
                group.create_task(run.domain(domain))
    except BaseExceptionGroup as failures:
        raise _first(failures) from None


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    while isinstance(failures.exceptions[0], BaseExceptionGroup):
        failures = failures.exceptions[0]
    return failures.exceptions[0]


class _Run:
    """One trace under way: what its domains share."""

    def __init__(self, plan: Plan, fetcher: EventFetcher, sink: Sink, outage: Outage) -> None:
        self._plan = plan
        self._fetcher = fetcher
        self._sink = sink
        self._outage = outage
        self._turns = asyncio.Semaphore(plan.domains_at_once)
        self._first_records = asyncio.Event()

    async def domain(self, domain: str) -> None:
        """One domain, unit after unit.

        Until the first unit of the first domain is out, no other begins: its statement took 70 ms among
        four on two cores, alone it takes 35. Its own domain's next units begin too, or a core would wait.
        """
        plan, sink = self._plan, self._sink
        if domain != plan.domains[0]:
            await self._first_records.wait()
        async with self._turns, contextlib.AsyncExitStack() as stack:
            size = self._fetcher.unit_size(domain, plan.unit_cids)
            todo = deque(cut(len(plan.container_ids), sink.resume(domain), size))
            await sink.begin(domain, len(todo))
            ahead: deque[Unit] = deque()
            gate, fate = asyncio.Semaphore(plan.units_at_once), Fate(self._outage)
            while (todo or ahead) and not self._outage.given_up:
                # One more than are fetched at once: while a unit is committed, the statements go on.
                alone = plan.careful and not self._first_records.is_set()
                while todo and len(ahead) < (1 if alone else plan.units_at_once + 1):
                    unit = self._unit(domain, plan.container_ids[todo.popleft()], gate, size)
                    stack.push_async_callback(unit.close)
                    ahead.append(unit)
                await ahead.popleft().commit(sink, fate)
                self._first_records.set()
            self._first_records.set()
            left = len(plan.container_ids) - sink.resume(domain)
            if left:
                await give_up(domain, left, sink, SourceUnavailable(AWAY))
            await sink.end(domain)

    def _unit(self, domain: str, ids: list[str], gate: asyncio.Semaphore, size: int | None) -> Unit:
        def start(container_ids: Sequence[str]) -> ReadAhead[Rows]:
            lines = self._fetcher.lines(
                domain,
                container_ids,
                as_of=self._plan.as_of,
                asked=len(self._plan.container_ids),
                gate=gate,
            )
            return ReadAhead(lines, ROWS_AHEAD)

        return Unit(domain, ids, start, divisible=size is not None)
