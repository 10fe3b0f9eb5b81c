"""The question: what a caller may ask, in one normal form, and whether it is answered at once or as a job.

The rules are protocol.md's, section 1.
"""

from __future__ import annotations

import enum
import hashlib
import itertools
import re
from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Annotated, Any, ClassVar, Final, Literal, Self

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StrictStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tracesvc.errors import CidLimitExceeded, InvalidParams, QueueUnavailable

MSD: Final = "mid_section_defect"
MAX_ID_CHARACTERS: Final = 64
MAX_REPORTED_ERRORS: Final = 20
MAX_MESSAGE_CHARACTERS: Final = 300
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

DomainsOf = Callable[[str, Mapping[str, object]], tuple[str, ...]]


# The first fault is enough: a list of a million faults must not become a million error objects.
Texts = Annotated[list[StrictStr], Field(fail_fast=True)]


class _Strict(BaseModel):
    """A part of the question. The first unknown field is refused: a million of them cost no more."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    place: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, data: object) -> object:
        if isinstance(data, dict):
            unknown = next((name for name in data if name not in cls.model_fields), None)
            if unknown is not None:
                raise _fault((*cls.place, unknown[:MAX_ID_CHARACTERS]), "unknown field", "extra_forbidden")
        return data


class Seeds(_Strict):
    """Where a trace starts when it is not given container ids (domain.md, 5)."""

    place = ("seeds",)

    resolve_type: Literal["lot_id", "wafer_lot", "work_order", "gd_work_order", "gd_lot_id", "serial_number"]
    values: Texts = Field(min_length=1)


class MsdParams(_Strict):
    """What a mid-section defect analysis asks (domain.md, 5 and 7)."""

    place = ("params",)

    mode: Literal["date_range", "container"] = "date_range"
    direction: Literal["backward", "forward"] = "backward"
    station: StrictStr | None = Field(default=None, max_length=64)
    start_date: date | None = Field(default=None, strict=True)
    end_date: date | None = Field(default=None, strict=True)
    resolve_type: Literal["lot_id", "wafer_lot", "work_order"] | None = None
    values: Texts = []
    loss_reasons: Texts = []
    pj_types: Texts = []
    packages: Texts = []


def _check_ids(value: list[Any], place: tuple[str, ...]) -> list[str]:
    """The ids trimmed; refuses the first that is none. All are looked at together: there may be 100,000s."""
    if not set(map(type, value)) <= {str}:
        at = next(index for index, item in enumerate(value) if type(item) is not str)
        raise _fault((*place, at), "Input should be text", "string_type")
    trimmed = list(map(str.strip, value))
    text = "".join(trimmed)
    plain = text.isascii() and text.isprintable()  # a tenth of the search's time
    if not plain and _FORBIDDEN.search(text):
        at = next(index for index, item in enumerate(trimmed) if _FORBIDDEN.search(item))
        raise _fault(
            (*place, at), "an id holds no control characters and no lone surrogates", "id_characters"
        )
    if max(map(len, trimmed), default=0) > MAX_ID_CHARACTERS:
        at = next(index for index, item in enumerate(trimmed) if len(item) > MAX_ID_CHARACTERS)
        raise _fault((*place, at), f"an id has at most {MAX_ID_CHARACTERS} characters", "string_too_long")
    return trimmed


def _normal_ids(value: object, info: ValidationInfo) -> list[str]:
    """Ids trimmed, without blanks and duplicates, in the order given."""
    place = (info.field_name or "ids",)
    if not isinstance(value, list):
        raise _fault(place, "Input should be a list of ids", "list_type")
    return list(dict.fromkeys(filter(None, _check_ids(value, place))))


ContainerIds = Annotated[list[str], PlainValidator(_normal_ids, json_schema_input_type=list[str])]


def _normal_map(value: object, info: ValidationInfo) -> dict[str, list[str]]:
    """Container id to container ids, checked as ids are."""
    place = ("lineage", info.field_name or "")
    if not isinstance(value, dict):
        raise _fault(place, "Input should be an object", "dict_type")
    strange = next((key for key, ids in value.items() if not isinstance(ids, list)), None)
    if strange is not None:
        raise _fault((*place, strange[:MAX_ID_CHARACTERS]), "Input should be a list of ids", "list_type")
    _check_ids([*value, *itertools.chain.from_iterable(value.values())], place)
    return value


def _normal_roots(value: object, info: ValidationInfo) -> dict[str, str | None]:
    """Container id to the name of its root, or null."""
    place = ("lineage", info.field_name or "")
    if not isinstance(value, dict):
        raise _fault(place, "Input should be an object", "dict_type")
    _check_ids([*value, *(name for name in value.values() if name is not None)], place)
    return value


IdLists = Annotated[
    dict[str, list[str]], PlainValidator(_normal_map, json_schema_input_type=dict[str, list[str]])
]
Roots = Annotated[
    dict[str, str | None], PlainValidator(_normal_roots, json_schema_input_type=dict[str, str | None])
]


class Lineage(_Strict):
    """A lineage that the client holds already; without it the containers stand for themselves."""

    place = ("lineage",)

    ancestors: IdLists = {}
    children_map: IdLists = {}
    seed_roots: Roots = {}


class TraceQuery(_Strict):
    """One trace, normalised: ids trimmed, without blanks and duplicates, in the order given."""

    profile: StrictStr = Field(max_length=64)
    container_ids: ContainerIds = []
    domains: Texts | None = Field(default=None, min_length=1, max_length=64)
    params: dict[str, Any] = {}
    seed_container_ids: ContainerIds = []
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

    def digest(self, owner: str) -> str:
        """SHA-256 of the normalised question and who asks it: equal for equal questions, ids as a set."""
        body = self.model_dump(mode="json")
        body["container_ids"] = sorted(self.container_ids)
        body["seed_container_ids"] = sorted(self.seed_container_ids)
        return hashlib.sha256(orjson.dumps([owner, body], option=orjson.OPT_SORT_KEYS)).hexdigest()


def parse_query(
    body: bytes, *, profiles: Collection[str], domains: Collection[str], defaults: DomainsOf
) -> TraceQuery:
    """Read and normalise a request body; raises `InvalidParams` with `errors` that point at each fault."""
    try:
        query = TraceQuery.model_validate(orjson.loads(body))
        if query.profile == MSD:
            query = query.model_copy(update={"params": _normal_params(query.params)})
    except orjson.JSONDecodeError as error:
        raise _fault((), f"the body is no JSON in UTF-8: {error.msg}", "json_invalid") from None
    except ValidationError as error:
        raise invalid(error) from None
    if query.profile not in profiles:
        raise _fault(("profile",), f"unknown profile; one of {', '.join(profiles)}", "unknown_profile")
    unknown = [index for index, name in enumerate(query.domain_names) if name not in domains]
    if unknown:
        raise _fault(
            ("domains", unknown[0]), f"unknown domain; any of {', '.join(domains)}", "unknown_domain"
        )
    if not query.container_ids and query.seeds is None:
        raise _fault(
            ("container_ids",), "no container id is left after trimming and dropping blanks", "no_ids"
        )
    if query.domains is None:
        query = query.model_copy(update={"domains": list(defaults(query.profile, query.params))})
    return query


def read_query(stored: bytes) -> TraceQuery:
    """A question back from its own JSON. Its ids are normal already: 114,000 take 12 ms, checked again 72."""
    body = orjson.loads(stored)
    container_ids = body.pop("container_ids")
    return TraceQuery.model_validate(body).model_copy(update={"container_ids": container_ids})


def _normal_params(params: dict[str, Any]) -> dict[str, Any]:
    try:
        return MsdParams.model_validate_json(orjson.dumps(params)).model_dump(mode="json")
    except ValidationError as error:
        raise invalid(error, "params") from None
    except TypeError:
        raise _fault(("params",), "a number is out of range", "json_invalid") from None


def invalid(error: ValidationError, *where: str) -> InvalidParams:
    """The 422 for what pydantic found: `loc`, `msg`, `type` of each fault, never the input itself."""
    found = [
        {
            "loc": [
                *where,
                *(part if isinstance(part, int) else part[:MAX_ID_CHARACTERS] for part in e["loc"]),
            ],
            "msg": e["msg"][:MAX_MESSAGE_CHARACTERS],
            "type": e["type"],
        }
        for e in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    return InvalidParams(_summary(found), errors=found[:MAX_REPORTED_ERRORS])


def _fault(loc: tuple[str | int, ...], message: str, kind: str) -> InvalidParams:
    found = [{"loc": list(loc), "msg": message, "type": kind}]
    return InvalidParams(_summary(found), errors=found)


def _summary(errors: list[dict[str, Any]]) -> str:
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"]) or "body"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{where}: {first['msg']}{more}"


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
    wants_job = query.seeds is not None or query.profile == MSD or prefer_async or count > async_threshold
    if wants_job and jobs_available:
        return Admission.JOB
    if query.seeds is not None:
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
