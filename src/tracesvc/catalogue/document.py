"""A YAML document whose every value knows its line, so that an error can point at it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from tracesvc.errors import CatalogueError


@dataclass(frozen=True)
class Entry:
    """One value of a document, with the place it stands at."""

    file: str
    node: yaml.Node

    @property
    def line(self) -> int:
        """Counted from 1."""
        return int(self.node.start_mark.line) + 1

    def error(self, detail: str) -> CatalogueError:
        """An error that points here."""
        return CatalogueError(f"{self.file}:{self.line}: {detail}")

    def text(self) -> str:
        """A non-empty scalar as text."""
        if not isinstance(self.node, yaml.ScalarNode) or not str(self.node.value).strip():
            raise self.error("a text is wanted here")
        return str(self.node.value)

    def whole(self, *, least: int) -> int:
        """A whole number of at least `least`."""
        text = self.text()
        if not text.lstrip("-").isdecimal() or int(text) < least:
            raise self.error(f"{text!r} is no whole number of at least {least}")
        return int(text)

    def items(self) -> Iterator[tuple[Entry, Entry]]:
        """Pairs of key and value; a key that stands twice is an error."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error("a mapping (key: value) is wanted here")
        seen: dict[str, int] = {}
        for key_node, value_node in self.node.value:
            key = Entry(self.file, key_node)
            name = key.text()
            if name in seen:
                raise key.error(
                    f"{name!r} stands twice; the first time in line {seen[name]}: remove one of them"
                )
            seen[name] = key.line
            yield key, Entry(self.file, value_node)

    def elements(self) -> list[Entry]:
        """The elements of a list, at least one."""
        if not isinstance(self.node, yaml.SequenceNode) or not self.node.value:
            raise self.error("a list with at least one element is wanted here")
        return [Entry(self.file, node) for node in self.node.value]

    def fields(self, *, required: Iterable[str] = (), optional: Iterable[str] = ()) -> dict[str, Entry]:
        """The values of a mapping whose keys are known; other keys, and missing ones, are errors."""
        needed, known = tuple(required), (*required, *optional)
        found: dict[str, Entry] = {}
        for key, value in self.items():
            if key.text() not in known:
                raise key.error(f"{key.text()!r} is not known here; it may be one of {', '.join(known)}")
            found[key.text()] = value
        for name in needed:
            if name not in found:
                raise self.error(f"{name!r} is missing here: add it")
        return found


def read_document(path: Path) -> Entry:
    """The document in a file. Raises `CatalogueError` when it cannot be read or is no YAML."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(
            f"{path}: the catalogue cannot be read ({error}): check TRACE_CATALOGUE"
        ) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CatalogueError(f"{path}:{line}: this is no YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise CatalogueError(f"{path}:1: this is no YAML: {error}") from error
    if node is None:
        raise CatalogueError(f"{path}:1: the catalogue is empty")
    return Entry(str(path), node)
