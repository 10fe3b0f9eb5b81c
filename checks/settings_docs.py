"""`.env.example` and `docs/settings.md` say what `Settings` says.

Both are made from it: `python -m checks.settings_docs --write` (part of `make fmt`). The groups are
the comments that stand above the fields in `settings.py`.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args, get_origin

from pydantic import SecretStr

from tracesvc import settings
from tracesvc.settings import Settings

WORDS: Final = {"trace_data_dir": "the user's data folder, on Linux ~/.local/share/tracesvc"}
"""Defaults that differ from machine to machine, in words."""

ENV_INTRO: Final = """\
# Every setting of tracesvc, at its default. Copy this file to .env and take the # off what you change.
# An environment variable wins over .env. docs/settings.md holds the same as tables.
# Made from src/tracesvc/settings.py by `make fmt`.
"""

DOCS_INTRO: Final = """\
# Settings

Each setting is an environment variable; a `.env` file in the working directory is read too, and the
environment wins. Settings are read once, when a process starts: a wrong value refuses the start with a
message that names the variable. Each can be given by a file, too: with `DB_PASSWORD_FILE=/run/secrets/db` the
password is what stands in there.

Made from `src/tracesvc/settings.py` by `make fmt`.
"""


@dataclass(frozen=True)
class Setting:
    """One variable as a person reads it."""

    group: str
    variable: str
    default: str
    allowed: str
    meaning: str


def all_settings() -> list[Setting]:
    """Every field of `Settings` in its order. Raises `KeyError` for a field without a group above it."""
    groups = _groups()
    return [
        Setting(groups[name], name.upper(), _default(name), _allowed(name), field.description or "")
        for name, field in Settings.model_fields.items()
    ]


def env_example() -> str:
    """`.env.example`: a line on each setting, and the setting, commented out at its default."""
    text, group = ENV_INTRO, ""
    for setting in all_settings():
        if setting.group != group:
            group = setting.group
            text += f"\n# --- {group}\n"
        text += f"# {setting.meaning}\n#{setting.variable}={setting.default}\n"
    return text


def settings_page() -> str:
    """`docs/settings.md`: a table a group."""
    text, group = DOCS_INTRO, ""
    for setting in all_settings():
        if setting.group != group:
            group = setting.group
            text += f"\n## {group}\n\n| variable | default | allowed | meaning |\n| --- | --- | --- | --- |\n"
        default = (
            f"`{setting.default}`"
            if setting.default and setting.variable.lower() not in WORDS
            else setting.default
        )
        cells = (f"`{setting.variable}`", default or "(empty)", setting.allowed, setting.meaning)
        text += "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
    return text


def find_problems(root: Path) -> list[str]:
    """The files that say something else than `Settings` does, and settings without a word on them."""
    silent = [f"{setting.variable} has no description" for setting in all_settings() if not setting.meaning]
    stale = [
        f"{path.relative_to(root)} is not what src/tracesvc/settings.py says: run `make fmt`"
        for path, text in _pages(root).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    return silent + stale


def _pages(root: Path) -> dict[Path, str]:
    return {root / ".env.example": env_example(), root / "docs" / "settings.md": settings_page()}


def _groups() -> dict[str, str]:
    """Field name to the comment that opens its group, without the reference in parentheses."""
    source = inspect.getsource(settings)
    lines = source.splitlines()
    body = next(
        node.body
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == "Settings"
    )
    groups, group = {}, ""
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            above = lines[node.lineno - 3 : node.lineno - 1]
            if heading := re.fullmatch(r"\n +# (.*?)(?: \(.*\))?", "\n".join(above)):
                group = heading.group(1)
            groups[node.target.id] = group
    return groups


def _default(name: str) -> str:
    value = Settings.model_fields[name].default
    if name in WORDS:
        return WORDS[name]
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case SecretStr():
            return value.get_secret_value()
        case _:
            return str(value)


def _allowed(name: str) -> str:
    """What the declared bounds admit, in words."""
    bounds: dict[str, object] = {}
    for rule in Settings.model_fields[name].metadata:
        bounds |= {bound: getattr(rule, bound) for bound in ("ge", "gt", "le") if hasattr(rule, bound)}
    match bounds:
        case {"ge": low, "le": high}:
            return f"{low} to {high}"
        case {"ge": low}:
            return f"{low} or more"
        case {"gt": low}:
            return f"above {low}"
        case _:
            if get_origin(Settings.model_fields[name].annotation) is Literal:
                return ", ".join(get_args(Settings.model_fields[name].annotation))
            return "true, false" if Settings.model_fields[name].annotation is bool else "text"


def main(arguments: list[str]) -> int:
    """`--write`: make both files anew; else say what differs. The exit status."""
    root = Path.cwd()
    if "--write" in arguments:
        for path, text in _pages(root).items():
            path.write_text(text, encoding="utf-8")
    problems = find_problems(root)
    print("\n".join(problems) or "settings, .env.example and docs/settings.md agree")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
