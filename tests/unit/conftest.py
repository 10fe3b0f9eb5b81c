"""What tests of single parts share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from tests.support import StackCache


@pytest.fixture
async def store(stack_cache: StackCache) -> AsyncIterator[redis.asyncio.Redis]:
    """The tests' Redis, without a stack."""
    async with redis.asyncio.Redis.from_url(stack_cache.valkey.url) as client:
        yield client
