"""What is behind the door, and which budget a request counts against: one table, by path."""

from __future__ import annotations

import re
from typing import Final

from tracesvc.rates import Budget

API: Final = "/api/trace"
ACCESS: Final = f"{API}/access"
METRICS: Final = "/metrics"
READY: Final = "/readyz"

# The first that fits; whatever comes later and stands in no line counts as JOB.
_BUDGETS: Final = (
    ("POST", re.compile(rf"{API}/seed-resolve"), Budget.SEED),
    ("POST", re.compile(rf"{API}/lineage"), Budget.LINEAGE),
    ("POST", re.compile(rf"{API}/events"), Budget.EVENTS),
    ("POST", re.compile(rf"{API}/job/[^/]+/aggregate"), Budget.RESULT),
    ("GET", re.compile(rf"{API}/job/[^/]+/(stream|result|export|detail)"), Budget.RESULT),
    ("HEAD", re.compile(rf"{API}/job/[^/]+/(stream|result|export|detail)"), Budget.RESULT),
)


def needs_caller(path: str) -> bool:
    """Whether only a known caller may ask. The rest (the page, /docs, /livez) holds nothing of a plant."""
    return (path == "/api" or path.startswith("/api/") or path == METRICS) and path != ACCESS


def budget_of(method: str, path: str) -> Budget | None:
    """What the request counts against; None outside of the API."""
    if not path.startswith("/api/"):
        return None
    return next(
        (budget for verb, pattern, budget in _BUDGETS if verb == method and pattern.fullmatch(path)),
        Budget.JOB,
    )
