"""What holds after each of these tests: every key of ours in Redis has a TTL."""

from __future__ import annotations

from tests.ttl import every_key_has_a_ttl

__all__ = ["every_key_has_a_ttl"]
