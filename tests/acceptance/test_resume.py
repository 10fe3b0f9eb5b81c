"""A stream that was cut goes on from a cursor: each record exactly once (protocol.md, 2, rules 4 and 5)."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.asking import submit
from tests.grammar import StreamChecker, check_stream
from tests.streams import ALL_DOMAINS, IDENTITY, ZSTD, Trace, body_of, path_of, traced
from tests.support import Plant, Stack
from tests.wire import CutError, inflate, raw_get, whole_lines

CUTS = 50


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def trace(stack: Stack, small_plant: Plant) -> Trace:
    """A few hundred containers, so that fifty streams of it are quick."""
    async with stack.client() as api:
        return await traced(api, small_plant.container_ids[:150], domains=list(ALL_DOMAINS))


def lines_of(seen: StreamChecker) -> dict[str, list[bytes]]:
    return {name: domain.lines for name, domain in seen.domains.items()}


async def cut_after(url: str, size: int, headers: dict[str, str]) -> bytes:
    """The first `size` bytes of a body; then the connection is dropped."""
    async with raw_get(url, headers=headers) as response:
        assert response.status == httpx.codes.OK
        return (await response.read_some(size))[:size]


async def resumed(
    url: str, cut: StreamChecker, headers: dict[str, str], size: int | None = None
) -> StreamChecker:
    """Go on where `cut` ends; with a `size`, be cut again."""
    after = f"?after={cut.cursor}" if cut.cursor else ""
    try:
        if size is None:
            async with raw_get(url + after, headers=headers) as response:
                body = await response.read()
        else:
            body = await cut_after(url + after, size, headers)
    except CutError as error:
        raise AssertionError(f"the server cut the stream: {error}") from error
    body = inflate(body) if headers == ZSTD else body
    checker = StreamChecker(resumes=cut if cut.cursor else None)
    return checker.feed_all(whole_lines(body))


@pytest.mark.parametrize("headers", [IDENTITY, ZSTD], ids=["identity", "zstd"])
async def test_cut_at_fifty_random_bytes_and_resumed_a_finished_stream_is_whole(
    stack: Stack, trace: Trace, headers: dict[str, str]
) -> None:
    chance = random.Random(20260101)
    async with raw_get(stack.url + path_of(trace.job_id), headers=headers) as response:
        size = len(await response.read())
    for number in range(CUTS):
        urls = [url + path_of(trace.job_id) for url in chance.sample(stack.urls, 2)]
        at = chance.randrange(1, size)
        part = await cut_after(urls[0], at, headers)
        part = inflate(part) if headers == ZSTD else part
        cut = StreamChecker().feed_all(whole_lines(part))
        seen = (await resumed(urls[1], cut, headers)).close()
        assert lines_of(seen) == lines_of(trace.seen), (
            f"cut {number} at byte {at}, resumed after {cut.cursor}"
        )


@pytest.mark.parametrize("headers", [IDENTITY, ZSTD], ids=["identity", "zstd"])
async def test_cut_at_random_bytes_again_and_again_a_live_stream_is_whole(
    slow_stack: Stack, medium_plant: Plant, headers: dict[str, str]
) -> None:
    chance = random.Random(7)
    async with slow_stack.client() as api:
        job_id = await submit(api, medium_plant.container_ids[:400])
        seen, live = StreamChecker(), 0
        limit = 100_000 if headers == IDENTITY else 6_000
        for number in range(CUTS):
            url = slow_stack.urls[number % 2] + path_of(job_id)
            seen = await resumed(url, seen, headers, chance.randrange(1, limit))
            live += bool(seen.meta and seen.meta["live"])
            if seen.last:
                break
        if not seen.last:
            seen = await resumed(slow_stack.url + path_of(job_id), seen, headers)
        seen.close()
        whole = check_stream(await body_of(api, job_id))
    assert live > 3
    assert lines_of(seen) == lines_of(whole)


@pytest.fixture
async def other(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the second API process."""
    async with stack.client(api=1) as client:
        yield client


async def test_after_minus_one_starts_that_domain(other: httpx.AsyncClient, trace: Trace) -> None:
    for domain in trace.seen.meta["domains"]:
        seen = (
            StreamChecker()
            .feed_all(whole_lines(await body_of(other, trace.job_id, after=f"{domain}:-1")))
            .close()
        )
        rest = trace.seen.meta["domains"][trace.seen.meta["domains"].index(domain) :]
        assert seen.meta["domains"] == trace.seen.meta["domains"]
        assert seen.meta["resumed_after"] == f"{domain}:-1"
        assert list(seen.domains) == rest
        assert lines_of(seen) == {name: trace.seen.domains[name].lines for name in rest}


async def test_after_the_last_batch_comes_the_domains_end_then_the_next(
    other: httpx.AsyncClient, trace: Trace
) -> None:
    last = trace.seen.domains["materials"].cursor
    body = await body_of(other, trace.job_id, after=last)
    seen = StreamChecker(resumes=trace.seen).feed_all(whole_lines(body)).close()
    kinds = [kind for kind in seen.types if kind != "progress"]
    assert kinds[:4] == ["meta", "domain_start", "domain_end", "domain_start"]
    assert lines_of(seen) == lines_of(trace.seen)


async def test_after_the_very_last_batch_only_the_ending_comes(
    other: httpx.AsyncClient, trace: Trace
) -> None:
    last = list(trace.seen.domains.values())[-1].cursor
    seen = StreamChecker(resumes=trace.seen).feed_all(
        whole_lines(await body_of(other, trace.job_id, after=last))
    )
    kinds = [kind for kind in seen.close().types if kind != "progress"]
    assert kinds == ["meta", "domain_start", "domain_end", "complete"]


@pytest.mark.parametrize(
    "after",
    ["history", "history:", ":1", "history:x", "history:1.5", "history:-2", "history:99999", "history:1:2",
     "", "nowhere:0", "history:\u0661", "history: 1", "history:99999999999999999999999"],
)  # fmt: skip
async def test_a_cursor_that_the_job_does_not_know_is_refused(
    api: httpx.AsyncClient, trace: Trace, after: str
) -> None:
    answer = await api.get(path_of(trace.job_id), params={"after": after})
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text[:500]
    assert answer.headers["content-type"].split(";")[0] == "application/problem+json"
    assert answer.json()["code"] == "INVALID_PARAMS"


async def test_a_cursor_outside_the_domains_asked_is_refused(api: httpx.AsyncClient, trace: Trace) -> None:
    answer = await api.get(path_of(trace.job_id), params={"after": "history:0", "domain": "rejects"})
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text[:500]


@pytest.mark.parametrize("domains", [["rejects"], ["materials", "history"], ["jobs", "jobs"]])
async def test_domain_narrows_the_stream(api: httpx.AsyncClient, trace: Trace, domains: list[str]) -> None:
    seen = check_stream(await body_of(api, trace.job_id, domain=domains))
    assert set(seen.domains) == set(domains)
    assert seen.meta["domains"] == list(seen.domains)
    assert lines_of(seen) == {name: trace.seen.domains[name].lines for name in seen.domains}
    assert seen.last is not None
    assert seen.last["total_records"] == sum(domain.count for domain in seen.domains.values())


async def test_side_by_side_the_narrowed_streams_are_the_whole(api: httpx.AsyncClient, trace: Trace) -> None:
    joined: dict[str, list[bytes]] = {}
    for domain in trace.seen.meta["domains"]:
        joined |= lines_of(check_stream(await body_of(api, trace.job_id, domain=domain)))
    assert joined == lines_of(trace.seen)


async def test_a_narrowed_stream_can_be_resumed(api: httpx.AsyncClient, trace: Trace) -> None:
    narrow = ["history", "rejects"]
    body = await body_of(api, trace.job_id, domain=narrow, after="history:1")
    before = StreamChecker().feed_all(whole_lines(await body_of(api, trace.job_id, domain=narrow)))
    seen = StreamChecker(resumes=before).feed_all(whole_lines(body)).close()
    assert lines_of(seen) == {name: trace.seen.domains[name].lines for name in narrow}


async def test_a_domain_that_the_job_does_not_have_is_not_found(api: httpx.AsyncClient, trace: Trace) -> None:
    answer = await api.get(path_of(trace.job_id), params={"domain": "weather"})
    assert (answer.status_code, answer.json()["code"]) == (httpx.codes.NOT_FOUND, "DOMAIN_NOT_IN_JOB")
