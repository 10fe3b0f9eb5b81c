"""What a catalogue says, as values: tables, workcentre groups, domains and profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tracesvc.errors import InvalidParams

ColumnType = Literal["string", "integer", "number", "boolean", "timestamp"]


@dataclass(frozen=True)
class Column:
    """A column of a table or of a domain. `precision` and `scale` are a number's; None: as it is stored."""

    name: str
    type: ColumnType
    precision: int | None = None
    scale: int | None = None


@dataclass(frozen=True)
class Table:
    """A table of the warehouse with the columns that statements may use."""

    name: str
    columns: tuple[Column, ...]
    ids: tuple[str, ...] = ()
    """Names of the columns that are ids (CHAR in the catalogue): what statements filter and join by."""


@dataclass(frozen=True)
class WorkcentreGroup:
    """A group of workcentres (domain.md, 3): `order` is its place on the route, patterns are upper case."""

    name: str
    order: int
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class Domain:
    """An event domain (domain.md, 4)."""

    name: str
    cache_seconds: int
    columns: tuple[Column, ...]
    sql: str
    """Oracle's dialect, ready to run. Binds: `:container_ids` (a list), `:as_of` (naive, plant-local)."""
    ids_per_unit: int | None = 1000
    """Containers that one statement takes; None: one statement serves all."""
    list_column: str | None = None
    """Comma list of container ids that the fetcher takes apart; the statement gives no CONTAINERID then."""
    open_column: str | None = None
    """A row with null here depends on `:as_of`."""

    @property
    def selected(self) -> tuple[Column, ...]:
        """The columns that the statement itself gives."""
        return self.columns[:-1] if self.list_column else self.columns


@dataclass(frozen=True)
class StageStatement:
    """A statement of stages 1 and 2, or of the analysis (`stages.STATEMENTS`)."""

    name: str
    columns: tuple[Column, ...]
    sql: str
    """Oracle's dialect, ready to run."""


@dataclass(frozen=True)
class Profile:
    """A named choice of domains, in one go or by the value of one parameter."""

    name: str
    parameter: str | None
    choices: Mapping[str, tuple[str, ...]]
    """By the parameter's value, the default first; a profile without parameter has one choice, `""`."""


@dataclass(frozen=True)
class Catalogue:
    """Everything that is particular to a plant."""

    schema: str
    tables: Mapping[str, Table]
    domains: Mapping[str, Domain]
    profiles: Mapping[str, Profile]
    groups: tuple[WorkcentreGroup, ...]
    """In evaluation order, which is not the order of the route."""
    stages: Mapping[str, StageStatement]
    fingerprint: str
    """Hex SHA-256 of everything that was loaded; part of cache keys."""

    def domains_of(self, profile: str, params: Mapping[str, object]) -> tuple[str, ...]:
        """The domains of a profile when the caller names none. Raises `InvalidParams`."""
        known = self.profiles.get(profile)
        if known is None:
            raise InvalidParams(f"the profile is unknown; it may be one of {', '.join(self.profiles)}")
        default = next(iter(known.choices))
        if known.parameter is None:
            return known.choices[default]
        value = params.get(known.parameter)
        if value is None:
            return known.choices[default]
        if not isinstance(value, str) or value not in known.choices:
            raise InvalidParams(f"params.{known.parameter} may be one of {', '.join(known.choices)}")
        return known.choices[value]

    def stage(self, name: str) -> StageStatement:
        """A statement of stages 1 and 2 by its name. Raises `InvalidParams` when the plant has none of it."""
        found = self.stages.get(name)
        if found is None:
            raise InvalidParams(f"this cannot be asked of this plant: its catalogue has no sql/{name}.sql")
        return found

    def group_of(self, raw_name: str | None) -> WorkcentreGroup | None:
        """The group of a raw workcentre name, or None when no pattern is in it (domain.md, 3)."""
        name = (raw_name or "").upper()
        return next((group for group in self.groups if any(p in name for p in group.patterns)), None)

    def station_of(self, name: str) -> str | None:
        """The group that is called so, or that a workcentre of this name belongs to."""
        if any(group.name == name for group in self.groups):
            return name
        group = self.group_of(name)
        return None if group is None else group.name

    @property
    def date_columns(self) -> frozenset[str]:
        """Names of the columns that are dates, over all tables."""
        columns = (column for table in self.tables.values() for column in table.columns)
        return frozenset(column.name for column in columns if column.type == "timestamp")
