"""What users of a plant do, and how often each of it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from bench.wire import Refused
from tracesvc.client import TraceClient

PAGE_RECORDS: Final = 1000
SMALL: Final = (1, 20)
JOB: Final = (500, 1500)
LARGE: Final = (10_000, 10_000)


@dataclass(frozen=True)
class Office:
    """What users share: a service, the plant's ids, and a finished job that they turn the pages of."""

    client: TraceClient
    http: httpx.AsyncClient
    ids: Sequence[str]
    open_job: str
    open_domain: str
    open_records: int


@dataclass(frozen=True)
class Done:
    """One action: the records that came, and its job when it left one."""

    records: int
    job_id: str | None = None


@dataclass(frozen=True)
class Kind:
    """One thing that users do. `share`: of all they do, 0 to 1."""

    name: str
    share: float
    act: Callable[[Office, random.Random], Awaitable[Done]]


async def list_jobs(office: Office, _: random.Random) -> Done:
    """Look at the latest jobs."""
    await office.client.jobs()
    return Done(0)


async def turn_a_page(office: Office, chance: random.Random) -> Done:
    """A page from anywhere in a finished result."""
    asked: dict[str, str | int] = {
        "domain": office.open_domain,
        "offset": chance.randrange(max(1, office.open_records - PAGE_RECORDS)),
        "limit": PAGE_RECORDS,
    }
    answer = await office.http.get(f"/api/trace/job/{office.open_job}/result", params=asked)
    if answer.is_error:
        raise Refused(f"a page was refused: {answer.status_code} {answer.text[:200]}")
    return Done(int(answer.json()["count"]))


async def ask_at_once(office: Office, chance: random.Random) -> Done:
    """A few containers, every domain, answered at once."""
    return await _trace(office, chance, SMALL, as_job=False)


async def ask_a_job(office: Office, chance: random.Random) -> Done:
    """A thousand containers, every domain, as a job that is followed to its end."""
    return await _trace(office, chance, JOB, as_job=True)


async def ask_a_large_job(office: Office, chance: random.Random) -> Done:
    """Ten thousand containers, every domain."""
    return await _trace(office, chance, LARGE, as_job=True)


async def _trace(office: Office, chance: random.Random, size: tuple[int, int], *, as_job: bool) -> Done:
    """The client proves that nothing is missing, or raises."""
    count = min(chance.randint(*size), len(office.ids))
    query = {"profile": "query_tool", "container_ids": chance.sample(office.ids, count)}
    trace = office.client.trace(query, as_job=as_job)
    async for _ in trace.raw():
        pass
    trace.check()
    return Done(trace.ledger.records, trace.job_id)


KINDS: Final = (
    Kind("look at the jobs", 0.34, list_jobs),
    Kind("a page of 1,000", 0.35, turn_a_page),
    Kind("1 to 20 containers, at once", 0.25, ask_at_once),
    Kind("500 to 1,500 containers, a job", 0.057, ask_a_job),
    Kind("10,000 containers, a job", 0.003, ask_a_large_job),
)
