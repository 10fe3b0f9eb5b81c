"""zstd as content encoding and as the body itself, to clients of several kinds (protocol.md, 2, rule 8)."""

from __future__ import annotations

import asyncio
import shutil

import httpx
import pytest
import zstandard

from tests.asking import status_of
from tests.grammar import check_stream
from tests.streams import ALL_DOMAINS, IDENTITY, ZSTD, Trace, body_of, held_job, path_of
from tests.support import Plant, Stack
from tests.wire import ZSTD_MAGIC, RawResponse, frames, inflate, raw_get, whole_lines

AS_BODY = {"Accept": "application/zstd", "Accept-Encoding": "identity"}
WINDOW = 8 * 1024 * 1024


async def test_zstd_and_identity_bodies_are_equal(api: httpx.AsyncClient, whole: Trace) -> None:
    assert await body_of(api, whole.job_id, zstd=True) == await body_of(api, whole.job_id) == whole.body


async def test_zstd_comes_as_the_body_itself_when_asked(stack: Stack, whole: Trace) -> None:
    async with raw_get(stack.url + path_of(whole.job_id), headers=AS_BODY) as response:
        assert response.headers["content-type"] == "application/zstd"
        assert "content-encoding" not in response.headers
        assert inflate(await response.read()) == whole.body


async def test_both_forms_of_zstd_have_the_same_bytes(stack: Stack, whole: Trace) -> None:
    bodies = []
    for headers in (ZSTD, AS_BODY):
        async with raw_get(stack.url + path_of(whole.job_id), headers=headers) as response:
            bodies.append(await response.read())
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    ("headers", "encoding"),
    [
        ({}, None),
        (IDENTITY, None),
        ({"Accept-Encoding": "gzip, deflate, br"}, None),
        ({"Accept-Encoding": "gzip, deflate, br, zstd"}, "zstd"),
        ({"Accept-Encoding": "zstd;q=0"}, None),
        ({"Accept-Encoding": "gzip;q=0.5, ZSTD;q=0.9"}, "zstd"),
    ],
)
async def test_the_encoding_is_what_the_client_can_read(
    stack: Stack, whole: Trace, headers: dict[str, str], encoding: str | None
) -> None:
    async with raw_get(stack.url + path_of(whole.job_id), headers=headers) as response:
        assert response.headers.get("content-encoding") == encoding
        assert "accept-encoding" in response.headers["vary"].lower()


@pytest.mark.parametrize("headers", [ZSTD, AS_BODY], ids=["encoding", "body"])
async def test_every_frame_is_one_line_with_a_small_window(
    stack: Stack, whole: Trace, headers: dict[str, str]
) -> None:
    async with raw_get(stack.url + path_of(whole.job_id), headers=headers) as response:
        body = await response.read()
    contents = []
    for frame, content in frames(body):
        assert frame.startswith(ZSTD_MAGIC)
        assert zstandard.get_frame_parameters(frame).window_size <= WINDOW
        contents.append(content)
    assert [content for content in contents if content.startswith(b'{"type":"records"')] == [
        line + b"\n" for line in whole_lines(whole.body) if line.startswith(b'{"type":"records"')
    ]


def boundaries(response: RawResponse) -> tuple[set[int], set[int]]:
    """Where HTTP chunks end, and where frames end."""
    chunk_ends, frame_ends, at = set(), set(), 0
    for chunk in response.chunks:
        at += len(chunk)
        chunk_ends.add(at)
    at = 0
    for frame, _ in frames(response.body):
        at += len(frame)
        frame_ends.add(at)
    return chunk_ends, frame_ends


@pytest.mark.parametrize("headers", [ZSTD, AS_BODY], ids=["encoding", "body"])
async def test_no_http_chunk_ends_between_two_frames(
    stack: Stack, whole: Trace, headers: dict[str, str]
) -> None:
    async with raw_get(stack.url + path_of(whole.job_id), headers=headers) as response:
        await response.read()
    chunk_ends, frame_ends = boundaries(response)
    assert len(chunk_ends) > 20
    assert chunk_ends & frame_ends == {len(response.body)}


async def test_no_http_chunk_of_a_live_stream_ends_between_two_frames(
    slow_stack: Stack, medium_plant: Plant
) -> None:
    async with slow_stack.client() as api:
        answer = await api.post(
            "/api/trace/events",
            json={"profile": "query_tool", "container_ids": medium_plant.container_ids[:200]},
        )
        job_id = answer.json()["job_id"]
        async with raw_get(slow_stack.url + path_of(job_id), headers=ZSTD) as response:
            body = inflate(await response.read())
    assert check_stream(body).meta["live"] is True
    chunk_ends, frame_ends = boundaries(response)
    assert chunk_ends & frame_ends == {len(response.body)}


async def committed(api: httpx.AsyncClient, job_id: str) -> int:
    return int((await status_of(api, job_id))["progress"]["records"])


async def test_a_default_httpx_client_reads_a_live_zstd_stream_as_it_comes(
    slow_stack: Stack, medium_plant: Plant
) -> None:
    """httpx offers zstd by itself when zstandard is installed, and decodes it."""
    ids = medium_plant.container_ids[:1000]
    async with held_job(slow_stack, ids, domains=list(ALL_DOMAINS)) as job_id, slow_stack.client() as api:
        waiting = await committed(api, job_id)
        assert waiting > 0
        async with (
            asyncio.timeout(20),
            httpx.AsyncClient(base_url=slow_stack.url) as client,
            client.stream("GET", path_of(job_id)) as response,
        ):
            assert response.headers["content-encoding"] == "zstd"
            received = 0
            async for line in response.aiter_lines():
                received += line.count('"CONTAINERID":')
                if received >= waiting:
                    break


async def test_a_default_httpx_client_reads_a_finished_zstd_stream(stack: Stack, whole: Trace) -> None:
    async with httpx.AsyncClient(base_url=stack.url) as client:
        answer = await client.get(path_of(whole.job_id))
    assert answer.headers["content-encoding"] == "zstd"
    assert answer.content == whole.body


async def curl(*arguments: str) -> bytes:
    """What curl prints; its failures are ours."""
    program = shutil.which("curl")
    assert program, "this test needs curl: install it"
    process = await asyncio.create_subprocess_exec(
        program,
        "--silent",
        "--show-error",
        "--fail",
        "--no-buffer",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, f"curl ended with {process.returncode}"
    return output


async def curl_knows_zstd() -> bool:
    return b" zstd" in await curl("--version")


async def test_curl_reads_the_stream(stack: Stack, whole: Trace) -> None:
    url = stack.url + path_of(whole.job_id)
    assert await curl(url) == whole.body
    assert inflate(await curl("--header", "Accept: application/zstd", url)) == whole.body
    assert inflate(await curl("--header", "Accept-Encoding: zstd", url)) == whole.body
    if await curl_knows_zstd():
        assert await curl("--compressed", url) == whole.body


async def test_curl_follows_a_running_job(slow_stack: Stack, medium_plant: Plant) -> None:
    async with slow_stack.client() as api:
        answer = await api.post(
            "/api/trace/events",
            json={"profile": "query_tool", "container_ids": medium_plant.container_ids[400:600]},
        )
        url = slow_stack.url + path_of(answer.json()["job_id"])
        compressed = ["--compressed"] if await curl_knows_zstd() else []
        raw, plain = await asyncio.gather(
            curl("--header", "Accept: application/zstd", url), curl(*compressed, url)
        )
    assert check_stream(inflate(raw)).meta["live"] is True
    assert check_stream(plain).meta["live"] is True
