"""Reads a catalogue from its YAML file and SQL folder, and refuses a broken one with the line to look at."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tracesvc.catalogue.document import Entry, read_document
from tracesvc.catalogue.model import (
    Catalogue,
    Column,
    ColumnType,
    Domain,
    Profile,
    StageStatement,
    Table,
    WorkcentreGroup,
)
from tracesvc.catalogue.stages import load_stages
from tracesvc.catalogue.statement import StatementCheck, read_statement

BUILT_IN: Final = Path(__file__).with_name("catalogue.yaml")
IDS_PER_UNIT: Final = 1000
"""Oracle takes no more in one IN list."""

_NAME: Final = re.compile(r"[A-Z][A-Z0-9_$#]{0,127}")
_TABLE_TYPE: Final = re.compile(r"(CHAR|VARCHAR2?|NUMBER|DATE)\s*(?:\((\d+)(?:\s*,\s*(\d+))?\))?")
_NUMBER_TYPE: Final = re.compile(r"number\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_PLAIN_TYPES: Final[Mapping[str, ColumnType]] = {
    "string": "string",
    "integer": "integer",
    "boolean": "boolean",
    "timestamp": "timestamp",
}
_TOP: Final = ("schema", "workcentre_groups", "tables", "domains", "profiles")
_COLUMN_OPTIONS: Final = ("list_column", "open_column")
_DOMAIN_BINDS: Final = ("container_ids", "as_of")
_DOMAIN_OPTIONS: Final = ("ids_per_unit", *_COLUMN_OPTIONS)
_MOST_DIGITS: Final = 38


def load_catalogue(path: str = "") -> Catalogue:
    """The catalogue in a file, with the SQL in `sql/` beside it; `""` is the built-in one, read once.

    Raises `CatalogueError`: file, line, what is wrong, what to do.
    """
    return _read(Path(path)) if path else _built_in()


@functools.cache
def _built_in() -> Catalogue:
    return _read(BUILT_IN)


def _read(file: Path) -> Catalogue:
    top = read_document(file).fields(required=_TOP)
    schema = _name(top["schema"])
    groups = tuple(_group(entry) for entry in top["workcentre_groups"].elements())
    tables = {_name(key): _table(key, value) for key, value in top["tables"].items()}
    domains: dict[str, Domain] = {}
    check = StatementCheck(schema, tables)
    try:
        for key, value in top["domains"].items():
            sql_file = file.parent / "sql" / f"{key.text()}.sql"
            domain = _domain(key, value, read_statement(sql_file, key, schema, groups))
            check.check(domain.sql, str(sql_file), domain.selected, _DOMAIN_BINDS)
            domains[domain.name] = domain
        stages = load_stages(file.parent / "sql", top["domains"], schema, groups, check)
    finally:
        check.close()
    profiles = {key.text(): _profile(key, value, domains) for key, value in top["profiles"].items()}
    return Catalogue(
        schema=schema,
        tables=MappingProxyType(tables),
        domains=MappingProxyType(domains),
        profiles=MappingProxyType(profiles),
        groups=groups,
        stages=stages,
        fingerprint=_fingerprint(file, domains, stages),
    )


def _fingerprint(file: Path, domains: Mapping[str, Domain], stages: Mapping[str, StageStatement]) -> str:
    digest = hashlib.sha256(file.read_bytes())
    named = [(domain.name, domain.sql) for domain in domains.values()]
    for name, sql in (*named, *((stage.name, stage.sql) for stage in stages.values())):
        digest.update(f"\0{name}\0{sql}".encode())
    return digest.hexdigest()


def _name(entry: Entry) -> str:
    name = entry.text()
    if not _NAME.fullmatch(name):
        raise entry.error(
            f"{name!r} is no name as the database knows them: letters A-Z, digits and _, at most 128"
        )
    return name


def _group(entry: Entry) -> WorkcentreGroup:
    fields = entry.fields(required=("group", "order", "patterns"))
    patterns = tuple(pattern.text().upper() for pattern in fields["patterns"].elements())
    return WorkcentreGroup(fields["group"].text(), fields["order"].whole(least=0), patterns)


def _table(key: Entry, value: Entry) -> Table:
    columns, ids = [], []
    for column_key, type_entry in value.items():
        name, text = _name(column_key), type_entry.text()
        match = _TABLE_TYPE.fullmatch(text)
        if match is None:
            raise type_entry.error(
                f"the type {text!r} is not known: CHAR(n), VARCHAR2(n), NUMBER(p, s) or DATE"
            )
        kind, first, second = match.groups()
        if kind == "NUMBER":
            columns.append(
                Column(name, "number", int(first) if first else None, int(second or 0) if first else None)
            )
        else:
            columns.append(Column(name, "timestamp" if kind == "DATE" else "string"))
        if kind == "CHAR":
            ids.append(name)
    return Table(key.text(), tuple(columns), tuple(ids))


def _domain_column(key: Entry, value: Entry) -> Column:
    name, text = _name(key), value.text()
    plain = _PLAIN_TYPES.get(text)
    if plain is not None:
        return Column(name, plain)
    match = _NUMBER_TYPE.fullmatch(text)
    if match is None:
        told = f"{', '.join(_PLAIN_TYPES)} or number(precision, scale)"
        raise value.error(f"the type {text!r} is not known: {told}")
    precision, scale = int(match[1]), int(match[2])
    if not scale <= precision <= _MOST_DIGITS:
        raise value.error(f"a number has at most {_MOST_DIGITS} digits, and no more of them after the point")
    return Column(name, "number", precision, scale)


def _domain(key: Entry, value: Entry, sql: str) -> Domain:
    fields = value.fields(required=("cache_seconds", "columns"), optional=_DOMAIN_OPTIONS)
    columns = tuple(_domain_column(*pair) for pair in fields["columns"].items())
    names = {column.name for column in columns}
    if "CONTAINERID" not in names:
        raise fields["columns"].error("a domain needs the column CONTAINERID: records are found by it")
    named = {option: fields[option].text() for option in _COLUMN_OPTIONS if option in fields}
    for option, column in named.items():
        if column not in names:
            raise fields[option].error(f"{column!r} is none of the domain's columns")
    if "list_column" in named and columns[-1].name != "CONTAINERID":
        raise fields["columns"].error("CONTAINERID must be the last column of a domain with list_column")
    return Domain(
        name=key.text(),
        cache_seconds=fields["cache_seconds"].whole(least=0),
        columns=columns,
        sql=sql,
        ids_per_unit=_ids_per_unit(fields.get("ids_per_unit")),
        list_column=named.get("list_column"),
        open_column=named.get("open_column"),
    )


def _ids_per_unit(entry: Entry | None) -> int | None:
    if entry is None:
        return IDS_PER_UNIT
    if entry.text() == "all":
        return None
    count = entry.whole(least=1)
    if count > IDS_PER_UNIT:
        raise entry.error(
            f"a statement takes at most {IDS_PER_UNIT} ids; `all` is for a statement without a list of ids"
        )
    return count


def _profile(key: Entry, value: Entry, domains: Mapping[str, Domain]) -> Profile:
    choices: dict[str, tuple[str, ...]] = {}
    parameter: str | None = None
    for choice_key, choice in value.items():
        if choice_key.text() == "when":
            parameter = choice.text()
        else:
            choices[choice_key.text()] = tuple(_known_domain(entry, domains) for entry in choice.elements())
    if not choices or (parameter is None and list(choices) != ["domains"]):
        raise key.error("a profile has either `domains`, or `when` with one list of domains per value")
    if parameter is None:
        choices = {"": choices["domains"]}
    return Profile(key.text(), parameter, MappingProxyType(choices))


def _known_domain(entry: Entry, domains: Mapping[str, Domain]) -> str:
    if entry.text() not in domains:
        raise entry.error(f"the domain {entry.text()!r} is not known; there are {', '.join(domains)}")
    return entry.text()
