"""Options and lists of ids as the body of `POST /events`; whether they fit is the service's to say."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

SEED_OPTIONS: Final[Mapping[str, str]] = {
    "lot": "lot_id",
    "wafer_lot": "wafer_lot",
    "work_order": "work_order",
    "serial": "serial_number",
}
REVERSE: Final = frozenset({"serial_number"})
_BETWEEN: Final = re.compile(r"[\s,;]+")


@dataclass(frozen=True, kw_only=True)
class Given:
    """What stood on the command line."""

    ids: Sequence[str]
    files: Sequence[Path]
    seeds: Mapping[str, Sequence[str]]
    profile: str | None
    domains: Sequence[str]
    station: str | None
    first_day: str | None
    last_day: str | None
    direction: str | None

    @property
    def by_date(self) -> bool:
        """Whether the question is a range of days at a station."""
        return any((self.station, self.first_day, self.last_day))


def read_question(given: Given) -> dict[str, Any]:
    """The body to send. Reads files and, when nothing else says whom to trace, standard input.

    Raises `click.UsageError` when it is not said whom, or in two ways at once.
    """
    seeds = {SEED_OPTIONS[name]: list(values) for name, values in given.seeds.items() if values}
    ways = [bool(given.ids or given.files), bool(seeds), given.by_date]
    if sum(ways) > 1 or len(seeds) > 1:
        raise click.UsageError("Say in one way whom to trace: ids, one kind of name, or a range of days.")
    question: dict[str, Any] = {"profile": given.profile or _profile(given, seeds)}
    if given.domains:
        question["domains"] = list(given.domains)
    if seeds:
        kind, values = next(iter(seeds.items()))
        question["seeds"] = {"resolve_type": kind, "values": values}
    elif not given.by_date:
        question["container_ids"] = _ids(given)
    params = {
        "station": given.station,
        "start_date": given.first_day,
        "end_date": given.last_day,
        "direction": given.direction,
    }
    named = {name: value for name, value in params.items() if value is not None}
    if named:
        question["params"] = named
    return question


def _profile(given: Given, seeds: Mapping[str, object]) -> str:
    if given.by_date:
        return "mid_section_defect"
    return "query_tool_reverse" if REVERSE & set(seeds) else "query_tool"


def _ids(given: Given) -> list[str]:
    texts: Iterable[str] = (*given.ids, *(_read(path) for path in given.files))
    if not given.ids and not given.files:
        if sys.stdin.isatty():
            raise click.UsageError(
                "Whom shall it trace? Give container ids as arguments, in a file (--file) or on standard "
                "input, or names with --lot, --wafer-lot, --work-order or --serial."
            )
        texts = [sys.stdin.read()]
    return [found for text in texts for found in _BETWEEN.split(text) if found]


def _read(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} cannot be read: {error}") from None
