"""`docs/openapi.json` is what the routes say, and breaks nothing that the last release promised.

`python -m checks.openapi --write` (part of `make fmt`) writes it again. `docs/openapi-released.json` is the
description of the last release: a release copies the one over the other.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tracesvc.app import create_app
from tracesvc.openapi import as_text, describe_32
from tracesvc.settings import Settings

CURRENT: Final = Path("docs/openapi.json")
RELEASED: Final = Path("docs/openapi-released.json")
STATUS_OK: Final = "2"

Document = dict[str, Any]


def description() -> Document:
    """The description of the routes as they are, whatever the settings of this machine."""
    return describe_32(create_app(Settings(_env_file=None)))


def find_problems(root: Path) -> list[str]:
    """A stale file, and every promise of the last release that is not kept."""
    now = description()
    current = root / CURRENT
    problems = []
    if not current.exists() or current.read_text(encoding="utf-8") != as_text(now):
        problems.append(f"{CURRENT} is not what the routes say: run `make fmt`")
    released = json.loads((root / RELEASED).read_text(encoding="utf-8"))
    return problems + [f"breaks the last release: {broken}" for broken in breaks(released, now)]


def breaks(old: Document, new: Document) -> Iterator[str]:
    """What clients of `old` would miss in `new`: routes, parameters, statuses, media types, members.

    A new parameter or member of a request must not be required. What comes back may gain members, and must
    not lose one, or its type.
    """
    for path, operations in old["paths"].items():
        for method, operation in operations.items():
            found = new["paths"].get(path, {}).get(method)
            where = f"{method.upper()} {path}"
            if found is None:
                yield f"{where} is gone"
                continue
            if found["operationId"] != operation["operationId"]:
                yield f"{where} is now called {found['operationId']}"
            yield from _parameters(where, operation, found)
            yield from _responses(where, operation, found)
    yield from _schemas(old, new)


def _parameters(where: str, old: Document, new: Document) -> Iterator[str]:
    before, after = _by_name(old), _by_name(new)
    for name in before.keys() - after.keys():
        yield f"{where}: the parameter {name} is gone"
    for name, parameter in after.items():
        if parameter.get("required") and not before.get(name, {}).get("required"):
            yield f"{where}: the parameter {name} is required now"


def _by_name(operation: Document) -> dict[str, Document]:
    return {parameter["name"]: parameter for parameter in operation.get("parameters", [])}


def _responses(where: str, old: Document, new: Document) -> Iterator[str]:
    for status, response in old["responses"].items():
        found = new["responses"].get(status)
        if found is None:
            if status.startswith(STATUS_OK):
                yield f"{where}: {status} is gone"
            continue
        for media in response.get("content", {}).keys() - found.get("content", {}).keys():
            yield f"{where}: {status} comes no longer as {media}"


def _schemas(old: Document, new: Document) -> Iterator[str]:
    after = new["components"]["schemas"]
    for name, schema in old["components"]["schemas"].items():
        if name not in after:
            yield f"the schema {name} is gone"
            continue
        members, found = schema.get("properties", {}), after[name].get("properties", {})
        for member, declared in members.items():
            if member not in found:
                yield f"{name}.{member} is gone"
                continue
            now = found[member]
            if not (_types(declared) <= _types(now) or _names_keys(declared, now, after)):
                yield f"{name}.{member} has another type"
        for member in set(schema.get("required", ())) & set(found) - set(after[name].get("required", ())):
            yield f"{name}.{member} may be missing now"
        if name in REQUESTS:
            for member in set(after[name].get("required", ())) - set(schema.get("required", ())):
                yield f"{name}.{member} is required now"


REQUESTS: Final = frozenset({"TraceQuery", "Seeds", "Lineage"})


def _names_keys(old: Document, new: Document, schemas: Document) -> bool:
    """Whether a map of values of one type has become an object that names its keys: the same answers fit."""
    values = old.get("additionalProperties")
    named = schemas.get(new.get("$ref", "").rpartition("/")[2], {}).get("properties", {})
    if not values or not named:
        return False
    return all(_types(member) == _types(values) for member in named.values())


def _types(schema: Document) -> set[str]:
    """The types that a member may have, one level deep; a reference is its name."""
    if "$ref" in schema:
        return {schema["$ref"]}
    if "anyOf" in schema:
        return set().union(*(_types(choice) for choice in schema["anyOf"]))
    named = schema.get("type", "any")
    return set(named) if isinstance(named, list) else {named}


def main(arguments: list[str]) -> int:
    """`--write`: make the file anew; else say what is wrong. The exit status."""
    root = Path.cwd()
    if "--write" in arguments:
        (root / CURRENT).write_text(as_text(description()), encoding="utf-8")
    problems = find_problems(root)
    sys.stdout.write("\n".join(problems or ["docs/openapi.json is what the routes say"]) + "\n")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
