"""Parts of a question: ids, seeds, and what an analysis is asked for, each in one normal form.

The rules are protocol.md's, section 1, and domain.md's, section 5.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, ClassVar, Final, Literal, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StrictStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from tracesvc.errors import InvalidParams

MSD: Final = "mid_section_defect"
MAX_ID_CHARACTERS: Final = 64
MAX_REPORTED_ERRORS: Final = 20
MAX_MESSAGE_CHARACTERS: Final = 300
MAX_DAYS: Final = 730
MAX_VALUES: Final = 30_000
MAX_PATTERNS: Final = 50
MIN_LITERAL_CHARACTERS: Final = 2
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_WILD: Final = re.compile(r"[*%]+")

ResolveType = Literal["lot_id", "wafer_lot", "work_order", "gd_work_order", "gd_lot_id", "serial_number"]
Direction = Literal["backward", "forward"]

RESOLVE_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "query_tool": ("lot_id", "wafer_lot", "work_order"),
    "query_tool_reverse": ("gd_work_order", "gd_lot_id", "serial_number"),
    MSD: ("lot_id", "wafer_lot", "work_order"),
}
"""How each profile may name its seeds (domain.md, 5)."""
EVERY_TYPE: Final[tuple[str, ...]] = get_args(ResolveType)
DIRECTIONS: Final[Mapping[str, Direction]] = {"query_tool": "forward"}
"""Which way a lineage goes unless it is told; of all other profiles, backward."""

# The first fault is enough: a list of a million faults must not become a million error objects.
Texts = Annotated[list[StrictStr], Field(fail_fast=True)]


class Strict(BaseModel):
    """A part of the question. The first unknown field is refused: a million of them cost no more."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    place: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, data: object) -> object:
        if isinstance(data, dict):
            unknown = next((name for name in data if name not in cls.model_fields), None)
            if unknown is not None:
                raise fault((*cls.place, unknown[:MAX_ID_CHARACTERS]), "unknown field", "extra_forbidden")
        return data


def fault(loc: tuple[str | int, ...], message: str, kind: str) -> InvalidParams:
    """The 422 for one fault."""
    found = [{"loc": list(loc), "msg": message, "type": kind}]
    return InvalidParams(_summary(found), errors=found)


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


def _summary(errors: list[dict[str, Any]]) -> str:
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"]) or "body"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{where}: {first['msg']}{more}"


def _check_ids(value: list[Any], place: tuple[str, ...]) -> list[str]:
    """The ids trimmed; refuses the first that is none. All are looked at together: there may be 100,000s."""
    if not set(map(type, value)) <= {str}:
        at = next(index for index, item in enumerate(value) if type(item) is not str)
        raise fault((*place, at), "Input should be text", "string_type")
    trimmed = list(map(str.strip, value))
    text = "".join(trimmed)
    plain = text.isascii() and text.isprintable()  # a tenth of the search's time
    if not plain and _FORBIDDEN.search(text):
        at = next(index for index, item in enumerate(trimmed) if _FORBIDDEN.search(item))
        raise fault((*place, at), "an id holds no control characters and no lone surrogates", "id_characters")
    if max(map(len, trimmed), default=0) > MAX_ID_CHARACTERS:
        at = next(index for index, item in enumerate(trimmed) if len(item) > MAX_ID_CHARACTERS)
        raise fault((*place, at), f"an id has at most {MAX_ID_CHARACTERS} characters", "string_too_long")
    return trimmed


def _normal_ids(value: object, info: ValidationInfo, place: tuple[str, ...] = ()) -> list[str]:
    """Ids trimmed, without blanks and duplicates, in the order given."""
    where = (*place, info.field_name or "ids")
    if not isinstance(value, list):
        raise fault(where, "Input should be a list of ids", "list_type")
    return list(dict.fromkeys(filter(None, _check_ids(value, where))))


ContainerIds = Annotated[list[str], PlainValidator(_normal_ids, json_schema_input_type=list[str])]


def _normal_map(value: object, info: ValidationInfo) -> dict[str, list[str]]:
    """Container id to container ids, checked as ids are."""
    place = ("lineage", info.field_name or "")
    if not isinstance(value, dict):
        raise fault(place, "Input should be an object", "dict_type")
    strange = next((key for key, ids in value.items() if not isinstance(ids, list)), None)
    if strange is not None:
        raise fault((*place, strange[:MAX_ID_CHARACTERS]), "Input should be a list of ids", "list_type")
    _check_ids([*value, *itertools.chain.from_iterable(value.values())], place)
    return value


def _normal_roots(value: object, info: ValidationInfo) -> dict[str, str | None]:
    """Container id to the name of its root, or null."""
    place = ("lineage", info.field_name or "")
    if not isinstance(value, dict):
        raise fault(place, "Input should be an object", "dict_type")
    _check_ids([*value, *(name for name in value.values() if name is not None)], place)
    return value


IdLists = Annotated[
    dict[str, list[str]], PlainValidator(_normal_map, json_schema_input_type=dict[str, list[str]])
]
Roots = Annotated[
    dict[str, str | None], PlainValidator(_normal_roots, json_schema_input_type=dict[str, str | None])
]


def seed_values(place: str) -> PlainValidator:
    """The values that name seeds, trimmed, unique, in the order given; `place` is the part they stand in."""

    def normal(value: object, info: ValidationInfo) -> list[str]:
        return _normal_ids(value, info, (place,))

    return PlainValidator(normal, json_schema_input_type=list[str])


def _day(value: object) -> date:
    """A day as `2026-01-31`, and in no other form."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        return date.fromisoformat(value)
    message = "Input should be a day, as in 2026-01-31"
    raise ValueError(message)


Day = Annotated[date, BeforeValidator(_day)]


def is_pattern(value: str) -> bool:
    """Whether a value stands for many names."""
    return _WILD.search(value) is not None


def literals(pattern: str) -> list[str]:
    """A pattern cut at its wildcards; each cut stands for any run of characters."""
    return _WILD.split(pattern)


def check_values(values: Sequence[str], resolve_type: str, place: tuple[str, ...]) -> None:
    """Refuse values that could match too much, or that another kind of seeds is for (domain.md, 5)."""
    if not values:
        raise fault(place, "no value is left after trimming and dropping blanks", "no_values")
    if len(values) > MAX_VALUES:
        raise fault(place, f"at most {MAX_VALUES} values are resolved at once", "too_many_values")
    patterns = 0
    for index, value in enumerate(values):
        if resolve_type == "work_order" and value[:2].upper() == "GD":
            message = "a GD order is rework: ask for it with resolve_type gd_work_order"
            raise fault((*place, index), message, "gd_work_order")
        if not is_pattern(value):
            continue
        patterns += 1
        if sum(map(len, literals(value))) < MIN_LITERAL_CHARACTERS:
            message = f"a pattern needs at least {MIN_LITERAL_CHARACTERS} characters beside its wildcards"
            raise fault((*place, index), message, "pattern_too_wide")
        if patterns > MAX_PATTERNS:
            raise fault(
                (*place, index), f"at most {MAX_PATTERNS} patterns are resolved at once", "too_many_patterns"
            )


class Seeds(Strict):
    """Where a trace starts when it is not given container ids (domain.md, 5)."""

    place = ("seeds",)

    resolve_type: ResolveType
    values: Annotated[list[str], seed_values("seeds")]

    @model_validator(mode="after")
    def _can_be_resolved(self) -> Self:
        check_values(self.values, self.resolve_type, ("seeds", "values"))
        return self


class MsdParams(Strict):
    """What a mid-section defect analysis asks (domain.md, 5 and 7)."""

    place = ("params",)

    mode: Literal["date_range", "container"] = "date_range"
    direction: Direction = "backward"
    station: StrictStr | None = Field(default=None, max_length=64)
    start_date: Day | None = None
    end_date: Day | None = None
    resolve_type: Literal["lot_id", "wafer_lot", "work_order"] | None = None
    values: Annotated[list[str], seed_values("params")] = []
    loss_reasons: Texts = []
    pj_types: Texts = []
    packages: Texts = []

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        start, end = self.start_date, self.end_date
        if start is not None and end is not None:
            if end < start:
                raise fault(("params", "end_date"), "end_date is before start_date", "date_range")
            if (end - start).days >= MAX_DAYS:
                raise fault(
                    ("params", "end_date"),
                    f"a range has at most {MAX_DAYS} days, both ends counted",
                    "date_range",
                )
        elif start is not None or end is not None:
            missing = "start_date" if start is None else "end_date"
            raise fault(("params", missing), "a range needs both start_date and end_date", "date_range")
        if self.values and self.resolve_type is not None:
            check_values(self.values, self.resolve_type, ("params", "values"))
        return self

    def check_seeds(self) -> None:
        """Refuse params that say of no container where to start."""
        if self.mode == "container":
            if self.resolve_type is None:
                message = "mode container needs resolve_type and values, or container_ids"
                raise fault(("params", "resolve_type"), message, "missing")
            check_values(self.values, self.resolve_type, ("params", "values"))
        elif self.start_date is None:
            message = "mode date_range needs start_date and end_date, or give container_ids or seeds"
            raise fault(("params", "start_date"), message, "missing")
