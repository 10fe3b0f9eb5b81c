"""The caller of a request: a name that owns jobs, what it may see, and how much it may ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["user", "operator", "monitor"]
"""`user` sees its own jobs, `operator` everybody's, `monitor` only /metrics and /readyz."""

RateClass = Literal["standard", "high", "unlimited"]
"""How the rate limits of the settings apply: as they are, ten times as much, or not at all."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a credential stands for. Names of tokens begin with `oidc:`, and those of keys never do."""

    name: str
    role: Role = "user"
    rate_class: RateClass = "standard"

    @property
    def sees_all(self) -> bool:
        """Whether other callers' jobs are visible."""
        return self.role == "operator"

    def sees(self, owner: str) -> bool:
        """Whether a job of `owner` is visible."""
        return self.sees_all or owner == self.name


ANYONE: Final = Caller("anonymous", role="operator")
"""Everybody, while there is no access control: all are one, and see all."""
