"""What a process asks its analysis process, and how answers come back: both sides of the pipe.

A request is a line of JSON. An answer is parts, each after its length in four bytes: the first says whether
it went well, as JSON; then the body's; an empty one ends it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, NoReturn, Self

from tracesvc import errors
from tracesvc.errors import TraceError

LENGTH_BYTES: Final = 4

WELL: Final = b"{}"
"""The first part of an answer that follows."""

Action = Literal["aggregate", "detail", "csv"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process finds results, and what it may use: the first line it reads."""

    results_url: str
    prefix: str
    folder: str
    max_bytes: int
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Question:
    """One question about a job that has an analysis; `page` is `detail.DetailPage`'s."""

    job_id: str
    action: Action
    filters: dict[str, list[str]]
    page: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """The inverse of `to_line`."""
        return cls(**json.loads(line))


def to_line(value: Place | Question) -> bytes:
    """As it is written to the process, which reads lines."""
    return json.dumps(asdict(value)).encode() + b"\n"


def part(data: bytes) -> bytes:
    """A part of an answer as it stands in the pipe."""
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def failure(error: TraceError) -> bytes:
    """An error of the tree, to be raised again on the other side."""
    told: Mapping[str, Any] = {"name": type(error).__name__, "detail": error.detail, "fields": error.fields}
    return json.dumps(told).encode()


def raise_again(told: bytes) -> NoReturn:
    """Raise what `failure` told of."""
    found = json.loads(told)
    raise getattr(errors, found["name"])(found["detail"], **found["fields"])
