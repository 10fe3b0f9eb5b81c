"""Services with a source that can fail, and what holds after each test: every key in Redis has a TTL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import pytest

from tests.chaos.faults import Faults
from tests.chaos.size import SEED, SOAK, pick
from tests.plain import PlainPlant
from tests.support import Plant, Stack
from tests.ttl import every_key_has_a_ttl

__all__ = ["every_key_has_a_ttl"]

FAULTY: Final = ("tests.chaos.faulty_worker",)
SETTINGS: Final[Mapping[str, Any]] = {
    "trace_async_cid_threshold": 100,
    "trace_unit_cids": pick(50, 200),
    "trace_stream_batch_size": 500,
    "event_fetcher_cache_skip_cid_threshold": 0,  # each statement is the source's
    "trace_caller_max_jobs": 1000,
    "trace_job_max_attempts": 1000,  # how often a job may lose its worker is one test's own matter
}


@pytest.fixture(scope="module")
def chaotic(stacks: Callable[..., Stack]) -> Callable[..., Stack]:
    """`chaotic(plant, workers=2, …)`: a service whose workers read the plant through `faults`."""
    return partial(stacks, worker=FAULTY, **SETTINGS)


@pytest.fixture
def faults(stack: Stack) -> Iterator[Faults]:
    """What goes wrong at the source of the module's `stack`: nothing, until the test says so."""
    found = Faults(stack.folder)
    found.set()
    yield found
    found.set()


@pytest.fixture(scope="session")
def plant(request: pytest.FixtureRequest) -> Plant:
    """600 containers, 18,000 records; in full a tenth of the largest trace ever seen."""
    found: Plant = request.getfixturevalue(pick("small_plant", "medium_plant"))
    return Plant(found.path, found.container_ids[: pick(600, None)])


@pytest.fixture
def plain(plant: Plant) -> Iterator[PlainPlant]:
    """The same containers, by plain SQL."""
    found = PlainPlant(plant.path, plant.container_ids)
    yield found
    found.close()


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Iterator[Callable[[str], None]]:
    """Say what a test did and found; it stands in the summary, with the time that the test took."""
    said: list[str] = []
    begin = time.monotonic()
    yield said.append
    form = f"full, seed {SEED}" if SOAK else "short"
    told = "; ".join(said) or "nothing to tell"
    request.node.user_properties.append(("told", f"{told} ({form}, {time.monotonic() - begin:.0f} s)"))
