"""Fixtures for all tests: plants, and stacks of real processes.

A module says which service it wants, and shares it with every module that wants the same:

    @pytest.fixture(scope="module")
    def stack(stacks: Callable[..., Stack], small_plant: Plant) -> Stack:
        return stacks(small_plant, workers=1, trace_async_cid_threshold=100)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator

import httpx
import pytest
import redis.asyncio

from tests.support import Part, Plant, Stack, StackCache
from tracesvc.demo.plant import make_plant, plant_container_ids
from tracesvc.demo.tiny import TINY_CONTAINER_IDS, make_tiny_plant

_CACHE = pytest.StashKey[StackCache]()
_OFFSETS = pytest.StashKey[dict[Part, int]]()


@pytest.fixture(scope="session")
def stack_cache(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[StackCache]:
    """The session's stacks, and the Redis server that they share."""
    cache = StackCache(tmp_path_factory.mktemp("stacks"))
    request.config.stash[_CACHE] = cache
    yield cache
    cache.close()


@pytest.fixture(scope="module")
def stacks(stack_cache: StackCache) -> Iterator[Callable[..., Stack]]:
    """`stacks(plant, workers=1, apis=1, **settings)`: a running service, shared by its settings."""
    with stack_cache.users() as get:
        yield get


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the module's `stack`."""
    async with stack.client() as client:
        yield client


@pytest.fixture
async def store(stack: Stack) -> AsyncIterator[redis.asyncio.Redis]:
    """A Redis client beside the module's `stack`."""
    async with stack.redis() as client:
        yield client


@pytest.fixture(scope="session")
def tiny_plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """A dozen lots, every row checked by hand."""
    path = tmp_path_factory.mktemp("tiny") / "plant.duckdb"
    make_tiny_plant(path)
    return Plant(path, tuple(TINY_CONTAINER_IDS))


@pytest.fixture(scope="session")
def small_plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """2,000 containers, the size of the default plant."""
    return _plant(tmp_path_factory, 2_000)


@pytest.fixture(scope="session")
def medium_plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """A tenth of the largest trace ever seen: 11,400 containers (domain.md, 8)."""
    return _plant(tmp_path_factory, 11_400)


@pytest.fixture(scope="session")
def large_plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """The largest trace ever seen: 114,000 containers."""
    return _plant(tmp_path_factory, 114_000)


def _plant(factory: pytest.TempPathFactory, containers: int) -> Plant:
    path = factory.mktemp(f"plant{containers}") / "plant.duckdb"
    make_plant(path, containers=containers, seed=7)
    return Plant(path, tuple(plant_container_ids(path)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember how far each log is, so that a failure shows only what the test caused."""
    item.stash[_OFFSETS] = {part: _size(part) for part in _parts(item)}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the processes beside a failure."""
    del call
    report = yield
    if report.failed:
        offsets = item.stash.get(_OFFSETS, {})
        for part in _parts(item):
            text = part.tail(offsets.get(part, 0))
            if text:
                report.sections.append((f"log of {part.log.parent.name}/{part.name}", text))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests have to tell beside that they passed."""
    reports = [report for kind in ("", "passed", "failed") for report in terminalreporter.getreports(kind)]
    told = {
        report.nodeid: text
        for report in reports
        if isinstance(report, pytest.TestReport)
        for name, text in report.user_properties
        if name == "told"
    }
    if told:
        terminalreporter.section("what was done and found")
    for nodeid, text in sorted(told.items()):
        terminalreporter.line(f"{nodeid.rsplit('::', 1)[-1]}: {text}")


def _parts(item: pytest.Item) -> list[Part]:
    cache = item.config.stash.get(_CACHE, None)
    return [part for stack in cache.live for part in stack.parts] if cache else []


def _size(part: Part) -> int:
    return part.log.stat().st_size if part.log.exists() else 0
