"""How far a trace is, as a callback is told."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tracesvc.lines import JobState


@dataclass(frozen=True, slots=True)
class DomainReceived:
    """One domain: records that arrived and were committed, units (statements) done of those to do."""

    records: int = 0
    committed: int = 0
    batches_done: int = 0
    batches_total: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class TraceProgress:
    """A moment of a trace. `wire_bytes`: of the bodies; `resumes`: connections after the first."""

    job_id: str | None
    status: JobState
    records: int
    wire_bytes: int
    resumes: int
    seconds: float
    domains: dict[str, DomainReceived] = field(default_factory=dict)


OnProgress = Callable[[TraceProgress], Awaitable[None] | None]


async def tell(on_progress: OnProgress | None, progress: TraceProgress) -> None:
    """Call the callback, whether it is a coroutine or not."""
    if on_progress is not None:
        answer = on_progress(progress)
        if inspect.isawaitable(answer):
            await answer
