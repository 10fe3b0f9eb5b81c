"""What holds after each of these tests: every key of ours in Redis has a TTL. Sizes for clients."""

from __future__ import annotations

from typing import Any, Final

from tests.ttl import every_key_has_a_ttl

__all__ = ["LIMITS", "SLOW", "every_key_has_a_ttl"]

LIMITS: Final[dict[str, Any]] = {"trace_async_cid_threshold": 100, "trace_stream_batch_size": 100}
SLOW: Final[dict[str, Any]] = {  # many small statements, one at a time
    "trace_unit_cids": 2,
    "trace_events_max_workers": 1,
    "event_fetcher_max_workers": 1,
    "event_fetcher_cache_skip_cid_threshold": 0,
}
