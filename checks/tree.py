"""The files of the project, as git sees them: what is committed, and what would be."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path


def files(root: Path, *suffixes: str) -> Iterator[Path]:
    """Every file that git does not ignore, sorted; only those ending in one of `suffixes`, when given.

    Raises `subprocess.CalledProcessError` outside of a git work tree.
    """
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    for name in sorted(filter(None, listed.split("\0"))):
        path = root / name
        if path.is_file() and (not suffixes or path.name.endswith(suffixes)):
            yield path
