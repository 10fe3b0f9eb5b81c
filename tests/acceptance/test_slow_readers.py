"""A client that stops reading slows nobody but itself (requirements.md, 2 and 17)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from tests.asking import ended, submit
from tests.grammar import check_stream
from tests.streams import ALL_DOMAINS, IDENTITY, body_of, path_of
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
    async with stack.client() as api, AsyncExitStack() as block:
        job_id = await submit(api, medium_plant.container_ids, domains=list(ALL_DOMAINS))
        await body_of(api, job_id)  # what one reader costs is paid before
        second = await submit(api, medium_plant.container_ids, domains=list(ALL_DOMAINS))
        url = stack.url + path_of(second)
        streams = [raw_get(url, headers=IDENTITY, buffer=4096) for _ in range(READERS)]
        stalled = await asyncio.gather(*(block.enter_async_context(stream) for stream in streams))
        for response in stalled:
            await response.read_some(100)
        before = stack.apis[0].rss
        status = await ended(api, second)
        assert status["status"] == "finished"
        size = len(await body_of(api, second))
        grown = stack.apis[0].rss - before
        assert size > 60 * MIB
        assert grown < size, f"{READERS} stalled readers of {size / MIB:.0f} MiB cost {grown / MIB:.0f} MiB"
        assert grown < READERS * 8 * MIB
        slow = check_stream(await stalled[0].read(), keep=False)
    assert slow.last is not None
    assert slow.last["total_records"] == status["progress"]["records"]
