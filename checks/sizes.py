"""No file and no function of the package outgrows its reader."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from checks import tree

MAX_FILE_LINES: Final = 300
MAX_FUNCTION_LINES: Final = 45


def find_problems(root: Path) -> list[str]:
    """Files under `src`, and functions of Python, that are longer than allowed, docstrings included."""
    return [
        f"{path.relative_to(root)}{problem}"
        for path in tree.files(root, ".py", ".c", ".h")
        if path.is_relative_to(root / "src")
        for problem in _too_long(path.read_text(encoding="utf-8"), path.suffix)
    ]


def _too_long(source: str, suffix: str) -> Iterator[str]:
    lines = len(source.splitlines())
    if lines > MAX_FILE_LINES:
        yield f": {lines} lines, at most {MAX_FILE_LINES}: split it by its nouns"
    if suffix != ".py":
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f":{node.lineno}: {node.name} has {length} lines, at most {MAX_FUNCTION_LINES}"
