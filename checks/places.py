"""No file names a package registry's host, a folder of the machine it was written on, or a key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from checks import tree

FORBIDDEN: Final = {
    "a package registry's host": re.compile(
        r"\b(?:(?:test\.)?pypi\.org|pythonhosted\.org|registry\.npmjs\.org|registry\.yarnpkg\.com|deb\.debian\.org)\b"
    ),
    "an API key": re.compile(r"\btrace_[0-9a-f]{12}_[A-Za-z0-9_-]{43}\b"),
    "a folder of one machine": re.compile(r"(?<![\w.>}~])/(?:work|root|home/\w+|Users/\w+|tmp/\w+)\b"),
}


def find_problems(root: Path) -> list[str]:
    """Each place where such a name stands; files that are not UTF-8 text have none."""
    problems = []
    for path in tree.files(root):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        problems += [
            f"{path.relative_to(root)}:{number}: names {what}: {found.group()}"
            for number, line in enumerate(lines, start=1)
            for what, pattern in FORBIDDEN.items()
            if (found := pattern.search(line))
        ]
    return problems
