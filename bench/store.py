"""What a job left in Redis: the memory it takes, and the limit of a stream, its chunks by bare GETs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import redis

KEYS_A_ROUND_TRIP: Final = 500


@dataclass(frozen=True)
class Gets:
    """One pass of GETs over every chunk of a job."""

    chunks: int
    bytes: int
    seconds: float


class Store:
    """The server, looked at past the services."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url)

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            return bool(self._redis.ping())
        except redis.RedisError:
            return False

    def version(self) -> str:
        """Which server it is."""
        info: Any = self._redis.info("server")
        return (
            f"Valkey {info['valkey_version']}"
            if "valkey_version" in info
            else f"Redis {info['redis_version']}"
        )

    def memory_usage(self, pattern: str) -> int:
        """Bytes that the keys of this pattern take, by MEMORY USAGE."""
        keys = list(self._redis.scan_iter(match=pattern, count=1000))
        total = 0
        for start in range(0, len(keys), KEYS_A_ROUND_TRIP):
            with self._redis.pipeline(transaction=False) as pipe:
                for key in keys[start : start + KEYS_A_ROUND_TRIP]:
                    pipe.memory_usage(key, samples=0)
                total += sum(size or 0 for size in pipe.execute())
        return total

    def get_chunks(self, job_id: str, domain: str) -> Gets:
        """One GET after the other, in the order of the chunks, on one connection."""
        began = time.perf_counter()
        sizes = [len(chunk) for chunk in self._chunks(job_id, domain)]
        return Gets(len(sizes), sum(sizes), time.perf_counter() - began)

    def _chunks(self, job_id: str, domain: str) -> Iterator[bytes]:
        index = 0
        while isinstance(chunk := self._redis.get(f"trace:job:{job_id}:result:{domain}:{index}"), bytes):
            yield chunk
            index += 1
