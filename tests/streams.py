"""How tests read: whole bodies, checked streams, pages, and a job that is held while it runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import httpx

from tests.asking import ENDED, finished, status_of, submit
from tests.grammar import StreamChecker, check_stream
from tests.support import Stack, wait_until
from tests.wire import inflate

PLANT_CLOCK: Final = timedelta(hours=8)  # Asia/Taipei, the default of TRACE_PLANT_TIMEZONE
ALL_DOMAINS: Final = (
    "history", "materials", "rejects", "holds", "jobs", "upstream_history", "downstream_rejects",
)  # fmt: skip
IDENTITY: Final = {"Accept-Encoding": "identity"}
ZSTD: Final = {"Accept-Encoding": "zstd"}


@dataclass(frozen=True)
class Trace:
    """A finished job and its whole stream."""

    job_id: str
    body: bytes
    seen: StreamChecker


def path_of(job_id: str, rest: str = "stream") -> str:
    """A route of a job."""
    return f"/api/trace/job/{job_id}/{rest}"


async def raw_body(response: httpx.Response) -> bytes:
    """The body's bytes as sent, whatever their content encoding."""
    return b"".join([piece async for piece in response.aiter_raw()])


async def body_of(api: httpx.AsyncClient, job_id: str, *, zstd: bool = False, **params: Any) -> bytes:
    """The stream's body in plain JSON lines, read to its end."""
    headers = ZSTD if zstd else IDENTITY
    async with api.stream("GET", path_of(job_id), params=params, headers=headers) as response:
        body = await raw_body(response)
        assert response.status_code == httpx.codes.OK, body
        assert response.headers.get("content-encoding") == ("zstd" if zstd else None)
    return inflate(body) if zstd else body


async def traced(api: httpx.AsyncClient, ids: Sequence[str], **fields: Any) -> Trace:
    """Run a trace as a job to its end and read it whole."""
    job_id = await finished(api, ids, **fields)
    body = await body_of(api, job_id)
    return Trace(job_id, body, check_stream(body))


async def result_of(api: httpx.AsyncClient, job_id: str, **params: Any) -> dict[str, Any]:
    """A page, or the whole result without `domain`; fractions exact."""
    answer = await api.get(path_of(job_id, "result"), params=params)
    assert answer.status_code == httpx.codes.OK, answer.text[:1000]
    return exact(answer.content)


def exact(body: bytes) -> dict[str, Any]:
    """JSON with its fractions as `Decimal`, as the checker has them."""
    found: dict[str, Any] = json.loads(body, parse_float=Decimal)
    return found


def as_of(meta: dict[str, Any]) -> datetime:
    """The plant's clock when the job was made: open holds are counted to it (domain.md, 4)."""
    return datetime.fromisoformat(meta["created_at"]).replace(tzinfo=None) + PLANT_CLOCK


async def begun(api: httpx.AsyncClient, job_id: str, *, records: int = 1) -> None:
    """Wait until so many records are committed, and see that the job still runs."""

    async def has_records() -> bool:
        status = await status_of(api, job_id)
        assert status["status"] not in ENDED, f"too fast to be seen running: {status}"
        return bool(status["progress"]["records"] >= records)

    await wait_until(has_records, message=f"{job_id} commits records")


@asynccontextmanager
async def held_job(stack: Stack, ids: Sequence[str], **fields: Any) -> AsyncIterator[str]:
    """A job that runs and stands still inside the block: its worker is frozen, some records are committed."""
    async with stack.client() as api:
        job_id = await submit(api, ids, **fields)
        await begun(api, job_id, records=2000)
        with stack.workers[0].paused():
            await _settled(api, job_id)
            yield job_id
        answer = await api.delete(f"/api/trace/job/{job_id}")
        assert answer.status_code in (httpx.codes.OK, httpx.codes.ACCEPTED), answer.text


async def _settled(api: httpx.AsyncClient, job_id: str) -> None:
    """What the worker sent before it froze has reached Redis when nothing changes any more."""
    before: list[int] = []

    async def still() -> bool:
        await asyncio.sleep(0.1)
        before.append((await status_of(api, job_id))["progress"]["records"])
        return len(before) > 1 and before[-1] == before[-2]

    await wait_until(still, message="the frozen worker commits nothing more")
