"""After each test, no key of ours in Redis may lack a TTL (protocol.md, 5)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import StackCache


@pytest.fixture(autouse=True)
def every_key_has_a_ttl(stack_cache: StackCache) -> Iterator[None]:
    """Look at the keys of every stack that is up when the test has ended."""
    yield
    found = {stack.prefix: names for stack in stack_cache.live if (names := stack.keys_without_ttl())}
    assert not found, f"keys without a TTL: {found}"
