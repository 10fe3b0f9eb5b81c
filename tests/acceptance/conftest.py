"""The service that most of these tests ask, and what holds after each: every key in Redis has a TTL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.streams import ALL_DOMAINS, Trace, traced
from tests.support import Plant, Stack
from tests.ttl import every_key_has_a_ttl
from tracesvc.catalogue import load_catalogue

__all__ = ["every_key_has_a_ttl"]

LINE: Final = 200
SMALL_LINES: Final[Mapping[str, Any]] = {"trace_async_cid_threshold": 100, "trace_stream_batch_size": LINE}
SLOW: Final[Mapping[str, Any]] = {  # many small statements, one at a time; a frozen worker is not given up
    "trace_unit_cids": 10,
    "trace_events_max_workers": 1,
    "event_fetcher_max_workers": 1,
    "event_fetcher_cache_skip_cid_threshold": 0,
    "trace_lease_seconds": 300,
}


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], small_plant: Plant) -> Stack:
    """Two API processes and a worker on 2,000 containers; short lines."""
    return stacks(small_plant, apis=2, workers=1, **SMALL_LINES)


@pytest.fixture(scope="module")
def slow_stack(stacks: Callable[..., Stack], medium_plant: Plant) -> Stack:
    """A service whose jobs take seconds, so that they can be watched while they run."""
    return stacks(medium_plant, apis=2, workers=1, **SMALL_LINES, **SLOW)


@pytest.fixture(scope="session")
def traces() -> dict[str, Trace]:
    """Traces that modules share, by the prefix of the stack that ran them."""
    return {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(stack: Stack, small_plant: Plant, traces: dict[str, Trace]) -> Trace:
    """A finished job: every container of the small plant, all seven domains. Not to be changed or deleted."""
    if stack.prefix not in traces:
        async with stack.client() as api:
            traces[stack.prefix] = await traced(api, small_plant.container_ids, domains=list(ALL_DOMAINS))
    return traces[stack.prefix]


@pytest.fixture(scope="session")
def columns() -> dict[str, list[tuple[str, str]]]:
    """The catalogue's columns by domain, each as (name, type)."""
    domains = load_catalogue().domains.values()
    return {domain.name: [(column.name, column.type) for column in domain.columns] for domain in domains}
