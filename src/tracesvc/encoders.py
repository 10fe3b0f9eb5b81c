"""Threads that encode and compress what the source found, apart from those that wait for something.

They hold the interpreter most of the time, so that more of them only wait for each other: on two cores ten
jobs of 1.2 M records took 3.53 to 3.94 s each with one, 3.55 to 4.33 s with two, 3.74 to 4.52 s with the
event loop's own six, and the worker's peak fell by 5 to 20 MB.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_pool: ThreadPoolExecutor | None = None


def use_encoders(threads: int) -> None:
    """Have so many of them in this process. Called once, first; without it the event loop's threads serve."""
    global _pool  # noqa: PLW0603 - one for the process, like the allocator's heaps
    _pool = ThreadPoolExecutor(threads, thread_name_prefix="encoder")


async def in_encoder(work: Callable[[], T]) -> T:
    """Run `work` there, in its turn. It carries no context variables."""
    return await asyncio.get_running_loop().run_in_executor(_pool, work)
