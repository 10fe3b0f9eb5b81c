"""How tests ask: bodies of traces, jobs submitted and waited for, through the HTTP API alone."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterable, Iterator
from typing import Any, Final

import httpx

from tests.support import Stack, wait_until

EVENTS: Final = "/api/trace/events"
ASYNC: Final = {"Prefer": "respond-async"}
ENDED: Final = frozenset({"finished", "failed", "cancelled"})


def some_ids(count: int, start: int = 0) -> list[str]:
    """Well-formed container ids that no plant knows."""
    return [f"{number:016x}" for number in range(start, start + count)]


def question(ids: Iterable[str], profile: str = "query_tool", **fields: object) -> dict[str, Any]:
    """The body of a trace."""
    return {"profile": profile, "container_ids": list(ids), **fields}


async def submit(api: httpx.AsyncClient, ids: Iterable[str], *, fresh: bool = True, **fields: Any) -> str:
    """Ask for a job, whatever the size, and give its id; a new one unless `fresh` is false."""
    headers = ASYNC | ({"Cache-Control": "no-cache"} if fresh else {})
    answer = await api.post(EVENTS, json=question(ids, **fields), headers=headers)
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    return str(answer.json()["job_id"])


async def status_of(api: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    """The job's status document."""
    answer = await api.get(f"/api/trace/job/{job_id}")
    assert answer.status_code == httpx.codes.OK, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def ended(api: httpx.AsyncClient, job_id: str, *, timeout: float = 60) -> dict[str, Any]:
    """Wait for the job's end and give its status."""
    last: dict[str, Any] = {}

    async def has_ended() -> bool:
        last.update(await status_of(api, job_id))
        return last["status"] in ENDED

    await wait_until(has_ended, timeout=timeout, message=f"job {job_id} ends")
    return last


async def finished(api: httpx.AsyncClient, ids: Iterable[str], **fields: Any) -> str:
    """Run a trace as a job to its good end and give its id."""
    job_id = await submit(api, ids, **fields)
    status = await ended(api, job_id)
    assert status["status"] == "finished", status
    return job_id


@contextlib.contextmanager
def stopped_worker(stack: Stack) -> Iterator[None]:
    """The first worker stands still, for less time than it takes to be given up (15 s)."""
    stack.workers[0].signal(signal.SIGSTOP)
    try:
        yield
    finally:
        stack.workers[0].signal(signal.SIGCONT)
