"""The question: what a caller may ask, in one normal form, and whether it is answered at once or as a job.

The rules are protocol.md's, section 1.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Any, Final, Literal, Self

import orjson
from pydantic import Field, StrictStr, ValidationError, field_validator, model_validator

from tracesvc.errors import CidLimitExceeded, QueueUnavailable
from tracesvc.params import (
    DIRECTIONS,
    MAX_ID_CHARACTERS,
    MAX_MESSAGE_CHARACTERS,
    MAX_REPORTED_ERRORS,
    MSD,
    RESOLVE_TYPES,
    ContainerIds,
    Direction,
    IdLists,
    MsdParams,
    Roots,
    Seeds,
    Strict,
    Texts,
    fault,
    invalid,
)

__all__ = ["MAX_ID_CHARACTERS", "MAX_MESSAGE_CHARACTERS", "MAX_REPORTED_ERRORS", "MSD"]

DEFAULT_STATION: Final = "測試"

DomainsOf = Callable[[str, Mapping[str, object]], tuple[str, ...]]
StationOf = Callable[[str], str | None]
StageName = Literal["seed-resolve", "lineage", "events", "aggregation"]


class Lineage(Strict):
    """A lineage that the client holds already; without it the containers stand for themselves."""

    place = ("lineage",)

    ancestors: IdLists = Field(default_factory=dict)
    children_map: IdLists = Field(default_factory=dict)
    seed_roots: Roots = Field(default_factory=dict)


class TraceQuery(Strict):
    """One trace, normalised: ids trimmed, without blanks and duplicates, in the order given."""

    profile: StrictStr = Field(max_length=64)
    container_ids: ContainerIds = Field(default_factory=list)
    domains: Texts | None = Field(default=None, min_length=1, max_length=64)
    params: dict[str, Any] = Field(default_factory=dict)
    seed_container_ids: ContainerIds = Field(default_factory=list)
    lineage: Lineage | None = None
    seeds: Seeds | None = None

    @field_validator("domains")
    @classmethod
    def _unique(cls, domains: list[str] | None) -> list[str] | None:
        return None if domains is None else list(dict.fromkeys(domains))

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.profile != MSD and self.params:
            message = f"only the profile {MSD} takes params"
            raise ValueError(message)
        if self.seeds is not None and self.container_ids:
            message = "give either container_ids or seeds, not both"
            raise ValueError(message)
        return self

    @property
    def domain_names(self) -> tuple[str, ...]:
        """The domains asked; `parse_query` has filled in the profile's."""
        return tuple(self.domains or ())

    @property
    def stages(self) -> tuple[StageName, ...]:
        """What a job of this question does, in order."""
        before: tuple[StageName, ...] = () if self.container_ids else ("seed-resolve", "lineage")
        after: tuple[StageName, ...] = ("aggregation",) if self.profile == MSD else ()
        return (*before, "events", *after)

    @property
    def direction(self) -> Direction:
        """Which way the lineage goes."""
        asked: Direction | None = self.params.get("direction")
        return asked or DIRECTIONS.get(self.profile, "backward")

    @property
    def cid_count(self) -> int | None:
        """How many containers are asked for; null until the seeds are resolved."""
        return len(self.container_ids) or None

    @property
    def named_seeds(self) -> Seeds | None:
        """The seeds that are given by their names; None: those of a date range, or no seeds at all."""
        if self.seeds is None and self.params.get("mode") == "container" and self.params["values"]:
            return Seeds(resolve_type=self.params["resolve_type"], values=self.params["values"])
        return self.seeds

    @property
    def dates(self) -> tuple[date, date] | None:
        """The first and the last day of an analysis, when it is bound to days."""
        if not self.params.get("start_date"):
            return None
        return date.fromisoformat(self.params["start_date"]), date.fromisoformat(self.params["end_date"])

    def digest(self, owner: str) -> str:
        """SHA-256 of the normalised question and who asks it: equal for equal questions, ids as a set."""
        body = self.model_dump(mode="json")
        body["container_ids"] = sorted(self.container_ids)
        body["seed_container_ids"] = sorted(self.seed_container_ids)
        for part in (body["seeds"], body["params"]):
            if part and part.get("values"):
                part["values"] = sorted(part["values"])
        return hashlib.sha256(orjson.dumps([owner, body], option=orjson.OPT_SORT_KEYS)).hexdigest()


class StageQuery(TraceQuery):
    """One stage by itself: stage 1 has `seeds` or an analysis' `params`, stage 2 `container_ids`."""

    domains: Texts | None = Field(default_factory=list)
    stage: Literal["seed-resolve", "lineage"]
    asked_direction: Direction = "backward"

    @property
    def stages(self) -> tuple[StageName, ...]:
        """The one stage."""
        return (self.stage,)

    @property
    def direction(self) -> Direction:
        """Which way the lineage goes."""
        return self.asked_direction


def parse_query(
    body: bytes,
    *,
    profiles: Collection[str],
    domains: Collection[str],
    defaults: DomainsOf,
    station_of: StationOf | None = None,
) -> TraceQuery:
    """Read and normalise a request body; raises `InvalidParams` with `errors` that point at each fault.

    `station_of` gives the workcentre group that a station belongs to.
    """
    try:
        query = TraceQuery.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise fault((), f"the body is no JSON in UTF-8: {error.msg}", "json_invalid") from None
    except ValidationError as error:
        raise invalid(error) from None
    if query.profile == MSD:
        params = normal_params(query.params, station_of, wants_seeds=not (query.container_ids or query.seeds))
        query = query.model_copy(update={"params": params})
    check_profile(query.profile, query.seeds, profiles)
    unknown = [index for index, name in enumerate(query.domain_names) if name not in domains]
    if unknown:
        raise fault(("domains", unknown[0]), f"unknown domain; any of {', '.join(domains)}", "unknown_domain")
    if not query.container_ids and query.seeds is None and query.profile != MSD:
        raise fault(
            ("container_ids",), "no container id is left after trimming and dropping blanks", "no_ids"
        )
    if query.domains is None:
        query = query.model_copy(update={"domains": list(defaults(query.profile, query.params))})
    return query


def read_query(stored: bytes) -> TraceQuery:
    """A question back from its own JSON. Its ids are normal already: 114,000 take 12 ms, checked again 72."""
    body = orjson.loads(stored)
    ids = {name: body.pop(name) for name in ("container_ids", "seed_container_ids")}
    kind = StageQuery if "stage" in body else TraceQuery
    return kind.model_validate(body).model_copy(update=ids)


def check_profile(profile: str, seeds: Seeds | None, profiles: Collection[str]) -> None:
    """Refuse an unknown profile, and seeds that it does not take."""
    if profile not in profiles:
        raise fault(("profile",), f"unknown profile; one of {', '.join(profiles)}", "unknown_profile")
    known = RESOLVE_TYPES.get(profile)
    if seeds is not None and known is not None and seeds.resolve_type not in known:
        message = f"the profile {profile} resolves {', '.join(known)}"
        raise fault(("seeds", "resolve_type"), message, "resolve_type")


def normal_params(
    params: dict[str, Any], station_of: StationOf | None, *, wants_seeds: bool
) -> dict[str, Any]:
    """An analysis' params with every default; its station by the name of the group it belongs to."""
    try:
        found = MsdParams.model_validate_json(orjson.dumps(params))
    except ValidationError as error:
        raise invalid(error, "params") from None
    except TypeError:
        raise fault(("params",), "a number is out of range", "json_invalid") from None
    if "mode" not in params and found.resolve_type is not None and found.start_date is None:
        found = found.model_copy(update={"mode": "container"})
    if wants_seeds:
        found.check_seeds()
    station = found.station or DEFAULT_STATION
    if station_of is not None:
        group = station_of(station)
        if group is None:
            raise fault(("params", "station"), "no workcentre group has this name", "unknown_station")
        station = group
    return found.model_copy(update={"station": station}).model_dump(mode="json")


class Admission(enum.Enum):
    """How a trace is answered."""

    JOB = "job"
    AT_ONCE = "at once"


def admit(
    query: TraceQuery, *, jobs_available: bool, prefer_async: bool, async_threshold: int, at_once_limit: int
) -> Admission:
    """The admission table of protocol.md, section 1: the first row that fits.

    Raises `QueueUnavailable` or `CidLimitExceeded`; nothing has touched the source then.
    """
    count = len(query.container_ids)
    wants_job = not count or query.profile == MSD or prefer_async or count > async_threshold
    if wants_job and jobs_available:
        return Admission.JOB
    if not count:
        raise QueueUnavailable(
            "A trace from seeds runs as a job, and no worker serves the queue now. Try again soon."
        )
    if count <= async_threshold or count <= at_once_limit or query.profile == MSD:
        return Admission.AT_ONCE
    raise CidLimitExceeded(
        f"{count} containers are more than the {at_once_limit} that are answered without a worker, "
        "and no worker serves the queue now. Ask for fewer, or try again when workers run.",
        cid_count=count,
        limit=at_once_limit,
    )
