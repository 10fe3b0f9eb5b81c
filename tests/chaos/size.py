"""How large the tests are, and the schedule that they draw from."""

from __future__ import annotations

import os
import random
from typing import Final, TypeVar

SOAK: Final = os.environ.get("TRACE_SOAK", "") == "1"
SEED: Final = int(os.environ.get("TRACE_SOAK_SEED", "1"))

S = TypeVar("S")
T = TypeVar("T")


def pick(short: S, full: T) -> S | T:
    """The value for the form that runs."""
    return full if SOAK else short


def schedule(name: str) -> random.Random:
    """The same moments for the same seed."""
    return random.Random(f"{SEED}:{name}")


def moments(chance: random.Random, count: int, *, begin: float = 1, end: float = 80) -> list[float]:
    """So many random percentages of a job, one in each part of it, so that none comes before the last."""
    width = (end - begin) / count
    return [begin + width * (number + chance.random()) for number in range(count)]
