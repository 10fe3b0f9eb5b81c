"""The service of the tutorial: the default plant, one worker; 100 containers and more are a job."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support import Plant, Stack


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], small_plant: Plant) -> Stack:
    return stacks(small_plant, apis=2, workers=1, trace_async_cid_threshold=100, trace_stream_batch_size=500)
