"""The same question from many at once, and for a long time: one job, and nothing grows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable

import httpx
import pytest

from tests.asking import ASYNC, EVENTS, ended, question
from tests.chaos.acting import belongings, nothing_leaked, ready
from tests.chaos.faults import Faults, Ledger
from tests.chaos.size import pick
from tests.support import Plant, Stack
from tests.wire import RawPoster, raw_poster

AT_ONCE = 50
A_SECOND = pick(40, 200)
SECONDS = pick(3, 60)
IDS = pick(120, 200)
STUCK_SECONDS = 3600.0
CONNECTIONS = 40
MIB = 1024 * 1024

pytestmark = pytest.mark.timeout(pick(120, 600))


@pytest.fixture(scope="module")
def stack(chaotic: Callable[..., Stack], plant: Plant) -> Stack:
    return chaotic(plant, apis=2, workers=1)


async def test_identical_questions_at_the_same_instant_cost_one_job(
    stack: Stack, plant: Plant, tell: Callable[[str], None]
) -> None:
    await ready(stack)
    before = len(Ledger(stack.folder).entries())
    body = question(plant.container_ids[: IDS + 1], domains=["history"])
    async with contextlib.AsyncExitStack() as clients:
        apis = [await clients.enter_async_context(stack.client(api=number)) for number in (0, 1)]
        posts = [apis[number % 2].post(EVENTS, json=body, headers=ASYNC) for number in range(AT_ONCE)]
        answers = await asyncio.gather(*posts)
        assert {answer.status_code for answer in answers} == {httpx.codes.ACCEPTED}
        found = [answer.json() for answer in answers]
        (job_id,) = {answer["job_id"] for answer in found}
        assert sum(answer["deduplicated"] for answer in found) == AT_ONCE - 1
        status = await ended(apis[0], job_id)
    assert status["status"] == "finished"
    statements = (len(Ledger(stack.folder).entries()) - before) // 2
    assert statements == status["progress"]["domains"]["history"]["batches_total"]
    tell(f"{AT_ONCE} submits over 2 API processes: one job of {statements} statements")


async def test_duplicates_by_the_hundred_a_second_cost_one_job_and_nothing_grows(
    stack: Stack, plant: Plant, faults: Faults, tell: Callable[[str], None]
) -> None:
    await ready(stack)
    faults.set(pause_seconds=STUCK_SECONDS)  # so that all of them are asked while the job runs
    body = question(plant.container_ids[: IDS + 2], domains=["history"])
    async with contextlib.AsyncExitStack() as connections:
        one = await connections.enter_async_context(stack.client())
        posters = [
            await connections.enter_async_context(
                raw_poster(stack.urls[number % 2] + EVENTS, json.dumps(body).encode(), ASYNC)
            )
            for number in range(CONNECTIONS)
        ]

        async def at_a_rate(seconds: int) -> tuple[set[str], float]:
            """Posts by the clock, one under way on each connection; the ids, and posts a second."""
            began, found, numbers = time.perf_counter(), set[str](), iter(range(seconds * A_SECOND))

            async def lane(poster: RawPoster) -> None:
                for number in numbers:
                    await asyncio.sleep(max(0.0, began + number / A_SECOND - time.perf_counter()))
                    status, answer = await poster.post()
                    assert status == httpx.codes.ACCEPTED, answer
                    found.add(json.loads(answer)["job_id"])

            await asyncio.gather(*(lane(poster) for poster in posters))
            return found, seconds * A_SECOND / (time.perf_counter() - began)

        (job_id,), _ = await at_a_rate(1)
        before, held = await belongings(stack), [part.rss for part in stack.apis]
        found, rate = await at_a_rate(SECONDS)
        assert found == {job_id}
        now, holds = (
            await nothing_leaked(stack, before, descriptors=CONNECTIONS),
            [part.rss for part in stack.apis],
        )
        shown = ", ".join(f"{was / MIB:.0f} -> {is_ / MIB:.0f}" for was, is_ in zip(held, holds, strict=True))
        assert all(is_ < 1.1 * was + 4 * MIB for was, is_ in zip(held, holds, strict=True)), f"MiB: {shown}"
        faults.set()
        assert (await ended(one, job_id))["status"] == "finished"
    tell(
        f"{SECONDS * A_SECOND} duplicates at {rate:.0f} a second over 2 API processes: one job; MiB of each:"
        f" {shown}; {now.descriptors} descriptors"
    )
