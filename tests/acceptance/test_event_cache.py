"""A repeated question is answered from the event cache, by the same lines (domain.md, 4)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.asking import finished
from tests.grammar import StreamChecker, check_stream
from tests.streams import ALL_DOMAINS, body_of
from tests.support import Plant, Stack
from tracesvc.demo.plant import make_plant, plant_container_ids

STEADY = [domain for domain in ALL_DOMAINS if domain != "holds"]  # open holds grow with the clock


@pytest.fixture(scope="module")
def fading(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """A plant of Parquet files, which a test can take away."""
    path = tmp_path_factory.mktemp("fading") / "plant"
    make_plant(path, containers=300, seed=3)
    return Plant(path, tuple(plant_container_ids(path)))


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], fading: Plant) -> Stack:
    return stacks(fading, workers=1, trace_stream_batch_size=500)


async def run(api: httpx.AsyncClient, plant: Plant, domains: list[str]) -> StreamChecker:
    job_id = await finished(api, plant.container_ids, domains=domains)
    seen = check_stream(await body_of(api, job_id))
    assert (await api.delete(f"/api/trace/job/{job_id}")).status_code == httpx.codes.OK
    return seen


def lines(seen: StreamChecker) -> dict[str, list[bytes]]:
    return {name: domain.lines for name, domain in seen.domains.items()}


async def test_open_holds_are_counted_anew(api: httpx.AsyncClient, fading: Plant) -> None:
    first, second = [(await run(api, fading, ["holds"])).domains["holds"].records for _ in range(2)]
    closed = [record for record in first if record["HOLD_STATUS"] == "RELEASED"]
    assert closed == [record for record in second if record["HOLD_STATUS"] == "RELEASED"]
    for before, after in zip(first, second, strict=True):
        if before["HOLD_STATUS"] == "HOLD":
            assert after["HOLD_HOURS"] >= before["HOLD_HOURS"]


async def test_the_cache_gives_the_same_lines_even_when_the_plant_is_away(
    api: httpx.AsyncClient, fading: Plant, tmp_path: Path
) -> None:
    first = await run(api, fading, STEADY)
    away = fading.path.rename(tmp_path / "away")
    fading.path.mkdir()
    try:
        again = await run(api, fading, STEADY)
    finally:
        fading.path.rmdir()
        away.rename(fading.path)
    assert lines(first) == lines(again)
    assert first.last is not None
    assert first.last["total_records"] > 1000
