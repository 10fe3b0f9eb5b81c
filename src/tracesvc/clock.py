"""Points in time as the service writes them: UTC, milliseconds, `Z` (protocol.md, 1)."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def to_text(moment: datetime) -> str:
    """`2026-11-23T13:42:35.120Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def from_text(text: str) -> datetime:
    """The inverse of `to_text`."""
    return datetime.fromisoformat(text)


def plant_time(moment: datetime, zone: str) -> datetime:
    """The same moment on the plant's clock, naive, as its tables hold times."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
