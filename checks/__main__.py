"""Run every check on the tree in the working directory; exit 1 when one finds something."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from checks import compose, deploy, links, openapi, places, settings_docs, sizes

CHECKS: Final[dict[str, Callable[[Path], list[str]]]] = {
    "settings, .env.example, docs/settings.md": settings_docs.find_problems,
    "lengths of files and functions": sizes.find_problems,
    "registry hosts, machine paths, keys": places.find_problems,
    "links": links.find_problems,
    "compose files": compose.find_problems,
    "OpenAPI description": openapi.find_problems,
    "deploy/": deploy.find_problems,
}


def main() -> int:
    """Print each check with what it found; the exit status."""
    failed = False
    for name, find_problems in CHECKS.items():
        problems = find_problems(Path.cwd())
        failed = failed or bool(problems)
        print(f"{name}: {len(problems)} problems" if problems else f"{name}: ok")
        for problem in problems:
            print(f"  {problem}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
