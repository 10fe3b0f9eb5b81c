"""Stages 1 and 2 by themselves: their questions, and whether they are answered at once (domain.md, 5, 6)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, TypeVar

import orjson
from pydantic import Field, StrictStr, ValidationError

from tracesvc.errors import CidLimitExceeded
from tracesvc.params import (
    DIRECTIONS,
    MSD,
    RESOLVE_TYPES,
    ContainerIds,
    Direction,
    ResolveType,
    Strict,
    check_values,
    fault,
    invalid,
    seed_values,
)
from tracesvc.query import Admission, StageQuery, StationOf, normal_params

M = TypeVar("M", bound=Strict)

NO_IDS: Final = "no container id is left after trimming and dropping blanks"


class SeedParams(Strict):
    """How seeds are named."""

    place = ("params",)

    resolve_type: ResolveType
    values: Annotated[list[str], seed_values("params")]


class SeedRequest(Strict):
    """The body of stage 1; `params` of mid_section_defect are those of its traces."""

    profile: StrictStr = Field(max_length=64)
    params: dict[str, Any]


class DirectionParams(Strict):
    """Which way a lineage goes."""

    place = ("params",)

    direction: Direction | None = None


class LineageRequest(Strict):
    """The body of stage 2; of mid_section_defect's `params` only the direction counts."""

    profile: StrictStr = Field(max_length=64)
    container_ids: ContainerIds
    params: dict[str, Any] = Field(default_factory=dict)


def parse_seed_resolve(
    body: bytes, *, profiles: Collection[str], station_of: StationOf | None = None
) -> StageQuery:
    """Read and normalise a question of stage 1; raises `InvalidParams` that points at the fault."""
    asked = _read(SeedRequest, body)
    _check_profile(asked.profile, profiles)
    if asked.profile == MSD:
        params = normal_params(asked.params, station_of, wants_seeds=True)
        return StageQuery(stage="seed-resolve", profile=MSD, params=params)
    named = _params(SeedParams, asked.params)
    known = RESOLVE_TYPES.get(asked.profile)
    if known is not None and named.resolve_type not in known:
        message = f"the profile {asked.profile} resolves {', '.join(known)}"
        raise fault(("params", "resolve_type"), message, "resolve_type")
    check_values(named.values, named.resolve_type, ("params", "values"))
    return StageQuery.model_validate(
        {"stage": "seed-resolve", "profile": asked.profile, "seeds": named.model_dump()}
    )


def parse_lineage(body: bytes, *, profiles: Collection[str]) -> StageQuery:
    """Read and normalise a question of stage 2; raises `InvalidParams` that points at the fault."""
    asked = _read(LineageRequest, body)
    _check_profile(asked.profile, profiles)
    if not asked.container_ids:
        raise fault(("container_ids",), NO_IDS, "no_ids")
    if asked.profile == MSD:
        direction = normal_params(asked.params, None, wants_seeds=False)["direction"]
    else:
        told = _params(DirectionParams, asked.params)
        direction = told.direction or DIRECTIONS.get(asked.profile, "backward")
    query = StageQuery(stage="lineage", profile=asked.profile, asked_direction=direction)
    return query.model_copy(update={"container_ids": asked.container_ids})


def admit_stage(
    query: StageQuery,
    *,
    jobs_available: bool,
    prefer_async: bool,
    thresholds: Mapping[str, int],
    at_once_limit: int,
) -> Admission:
    """A job when it is large or wished for, and there are jobs; `thresholds` of `values`, `days` and `ids`.

    Raises `CidLimitExceeded` for more than `at_once_limit` containers without jobs.
    """
    is_large = any(count > thresholds[of] for of, count in _sizes(query).items())
    if jobs_available and (is_large or prefer_async):
        return Admission.JOB
    count = len(query.container_ids)
    if is_large and count > at_once_limit:
        raise CidLimitExceeded(
            f"{count} containers are more than the {at_once_limit} that are answered without a worker, "
            "and no worker serves the queue now. Ask for fewer, or try again when workers run.",
            cid_count=count,
            limit=at_once_limit,
        )
    return Admission.AT_ONCE


def _sizes(query: StageQuery) -> dict[str, int]:
    if query.stage == "lineage":
        return {"ids": len(query.container_ids)}
    named = query.named_seeds
    if named is not None:
        return {"values": len(named.values)}
    assert query.dates is not None, "normal params have values or dates"
    first, last = query.dates
    return {"days": (last - first).days + 1}


def _read(kind: type[M], body: bytes) -> M:
    try:
        return kind.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise fault((), f"the body is no JSON in UTF-8: {error.msg}", "json_invalid") from None
    except ValidationError as error:
        raise invalid(error) from None


def _params(kind: type[M], params: dict[str, Any]) -> M:
    try:
        return kind.model_validate(params)
    except ValidationError as error:
        raise invalid(error, "params") from None


def _check_profile(profile: str, profiles: Collection[str]) -> None:
    if profile not in profiles:
        raise fault(("profile",), f"unknown profile; one of {', '.join(profiles)}", "unknown_profile")
