"""A client that stops reading slows nobody but itself (requirements.md, 2 and 17)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from tests.asking import ended, submit
from tests.streams import IDENTITY, body_of, path_of
from tests.support import Plant, Stack
from tests.wire import raw_get

READERS = 10
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], medium_plant: Plant) -> Stack:
    """Settings as they come; the result is much larger than what ten readers may hold in the API."""
    return stacks(medium_plant, workers=1, trace_async_cid_threshold=1000)


async def test_stalled_readers_cost_bounded_memory_and_the_job_goes_on(
    stack: Stack, medium_plant: Plant
) -> None:
    ids = medium_plant.container_ids[:6000]
    async with stack.client() as api, AsyncExitStack() as block:
        warm_up = await submit(api, ids[:1000])
        await body_of(api, warm_up)  # what one reader costs is paid before
        job_id = await submit(api, ids, domains=["history", "upstream_history", "materials"])
        url = stack.url + path_of(job_id)
        streams = [raw_get(url, headers=IDENTITY, buffer=4096) for _ in range(READERS)]
        stalled = await asyncio.gather(*(block.enter_async_context(stream) for stream in streams))
        for response in stalled:
            await response.read_some(100)
        before = stack.apis[0].rss
        status = await ended(api, job_id)
        assert status["status"] == "finished"
        whole = await body_of(api, job_id)
        grown = stack.apis[0].rss - before
        assert len(whole) > 40 * MIB
        assert grown < READERS * 8 * MIB, f"{READERS} stalled readers cost {grown / MIB:.0f} MiB"
        slow = await stalled[0].read()
    assert records(slow) == records(whole)
    assert slow.splitlines()[-1].startswith(b'{"type":"complete"')


def records(body: bytes) -> list[bytes]:
    return [line for line in body.splitlines() if line.startswith(b'{"type":"records"')]
