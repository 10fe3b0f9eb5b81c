"""What an analysis is narrowed to: loss reasons, types, packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Filters:
    """Empty means all. Values are those that charts show, the display fall-backs included.

    `loss_reasons` mask detection defects only: a lot stays in every denominator. `pj_types` and `packages`
    choose the lots themselves (domain.md, 7).
    """

    loss_reasons: tuple[str, ...] = ()
    pj_types: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        """The filters among a trace's params: trimmed, without blanks and duplicates, in one order."""
        return cls(**{name: _normal(params.get(name) or ()) for name in cls.names()})

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """What they are called in params, bodies and queries."""
        return tuple(field.name for field in fields(cls))

    def to_params(self) -> dict[str, list[str]]:
        """The inverse of `from_params`."""
        return {name: list(values) for name, values in asdict(self).items()}


def _normal(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({trimmed for value in values if (trimmed := value.strip())}))
