"""A stored chunk that is missing or damaged is said, and nothing of it is sent (protocol.md, 2, rule 2)."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
import redis.asyncio
import zstandard

from tests.grammar import StreamChecker, check_stream
from tests.streams import Trace, body_of, path_of, result_of, traced
from tests.support import Plant, Stack

BROKEN = 3
Damage = Callable[[bytes], bytes | None]


def flip(frame: bytes) -> bytes:
    """One bit in the middle."""
    middle = len(frame) // 2
    return frame[:middle] + bytes([frame[middle] ^ 0x10]) + frame[middle + 1 :]


def other_line(frame: bytes) -> bytes:
    """A sound frame with other text."""
    text = zstandard.ZstdDecompressor().decompressobj().decompress(frame)
    return zstandard.ZstdCompressor().compress(text.replace(b"0", b"1"))


DAMAGES: list[tuple[str, Damage]] = [
    ("CHUNK_MISSING", lambda _: None),
    ("CHUNK_CORRUPT", flip),
    ("CHUNK_CORRUPT", other_line),
    ("CHUNK_CORRUPT", lambda frame: frame[:-1]),
    ("CHUNK_CORRUPT", lambda frame: frame + b"\0"),
    ("CHUNK_CORRUPT", lambda _: b""),
]


@pytest.fixture
async def trace(api: httpx.AsyncClient, small_plant: Plant) -> Trace:
    return await traced(api, small_plant.container_ids[:600], domains=["history", "rejects"])


@pytest.fixture(params=DAMAGES, ids=["missing", "bit", "other", "short", "long", "empty"])
async def code(request: pytest.FixtureRequest, stack: Stack, trace: Trace, store: redis.asyncio.Redis) -> str:
    """Damage one chunk in Redis; the code that readers must see."""
    code, damage = request.param
    key = stack.key(trace.job_id, f"result:history:{BROKEN}")
    frame = await store.get(key)
    assert isinstance(frame, bytes), key
    damaged = damage(frame)
    if damaged is None:
        await store.delete(key)
    else:
        await store.set(key, damaged, keepttl=True)
    return str(code)


@pytest.mark.parametrize("zstd", [False, True], ids=["identity", "zstd"])
async def test_the_stream_ends_before_the_chunk_and_says_why(
    api: httpx.AsyncClient, trace: Trace, code: str, *, zstd: bool
) -> None:
    seen = check_stream(await body_of(api, trace.job_id, zstd=zstd), expect="error")
    assert seen.last is not None
    assert seen.last["code"] == code
    assert seen.domains["history"].lines == trace.seen.domains["history"].lines[:BROKEN]
    assert seen.last["resume_after"] in (None, f"history:{BROKEN - 1}")


async def test_what_lies_behind_it_can_still_be_read(api: httpx.AsyncClient, trace: Trace, code: str) -> None:
    assert code
    body = await body_of(api, trace.job_id, after=f"history:{BROKEN}")
    seen = StreamChecker(resumes=trace.seen).feed_all(body.split(b"\n")[:-1]).close()
    assert seen.domains["rejects"].lines == trace.seen.domains["rejects"].lines


async def test_a_page_over_it_is_refused_and_others_are_served(
    api: httpx.AsyncClient, trace: Trace, code: str
) -> None:
    start = trace.seen.domains["history"].offsets[BROKEN]
    params: dict[str, str | int] = {"domain": "history", "offset": start - 1, "limit": 2}
    answer = await api.get(path_of(trace.job_id, "result"), params=params)
    assert answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
    assert answer.json()["code"] == code
    page = await result_of(api, trace.job_id, domain="history", offset=start - 5, limit=5)
    assert page["data"] == trace.seen.domains["history"].records[start - 5 : start]
