"""Which station an analysis looks at, and in which direction along the route."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self

from tracesvc.catalogue import WorkcentreGroup
from tracesvc.errors import InvalidParams

Direction = Literal["backward", "forward"]

DEFAULT_STATION: Final = "測試"
DOMAINS: Final[Mapping[Direction, tuple[str, ...]]] = {
    "backward": ("upstream_history", "materials"),
    "forward": ("upstream_history", "downstream_rejects"),
}
"""What each direction is computed from."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A detection station's group and its place on the route; `orders`: every group's by name."""

    direction: Direction
    station: str
    order: int
    orders: Mapping[str, int]

    @classmethod
    def from_params(cls, params: Mapping[str, Any], groups: Iterable[WorkcentreGroup]) -> Self:
        """Read a trace's params; the station is a group's name, or a workcentre's, which is in a group.

        Raises `InvalidParams` for a station that no group knows, or another direction.
        """
        groups = tuple(groups)
        direction: Direction = params.get("direction") or "backward"
        if direction not in DOMAINS:
            raise _fault("direction", f"it may be one of {', '.join(DOMAINS)}")
        station = (params.get("station") or DEFAULT_STATION).strip()
        found = next((group for group in groups if group.name == station), None)
        if found is None:
            name = station.upper()
            found = next((group for group in groups if any(part in name for part in group.patterns)), None)
        if found is None:
            known = ", ".join(group.name for group in sorted(groups, key=lambda group: group.order))
            raise _fault("station", f"no workcentre group has it; the groups are {known}")
        return cls(direction, found.name, found.order, {group.name: group.order for group in groups})

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**stored)

    def to_dict(self) -> dict[str, Any]:
        """As it is stored with a job."""
        return asdict(self)

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that the analysis is computed from."""
        return DOMAINS[self.direction]


def _fault(name: str, message: str) -> InvalidParams:
    found = [{"loc": ["params", name], "msg": message, "type": "value_error"}]
    return InvalidParams(f"params.{name}: {message}", errors=found)
