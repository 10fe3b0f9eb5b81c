"""What every error answer has in common (protocol.md, 1, Errors; RFC 9457)."""

from __future__ import annotations

import re
from typing import Any, Final

import httpx

RETRY: Final = {429, 503}
LEAKS: Final = re.compile(
    r"\bselect\b.+\bfrom\b|traceback|\bFile \"|rediss?://|duckdb|\bDWH\b|site-packages|/tmp/|Error\(",
    re.IGNORECASE,
)
MAX_BYTES: Final = 16_384


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check the answer's shape, headers and silence about what is inside; give its document."""
    shown = f"{answer.status_code} {answer.text[:500]}"
    assert answer.status_code == status, shown
    problem = check_problem(answer.status_code, dict(answer.headers), answer.content)
    assert problem["code"] == code, shown
    return problem


def check_problem(status: int, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """The same for an answer read off a socket; header names are in lower case."""
    assert headers["content-type"].split(";")[0] == "application/problem+json"
    assert len(body) < MAX_BYTES, "an error answer does not repeat a large input"
    problem = httpx.Response(status, content=body).json()
    assert isinstance(problem, dict)
    assert problem["status"] == status
    assert all(
        isinstance(problem[name], str) and problem[name] for name in ("type", "title", "detail", "code")
    )
    assert re.fullmatch(r"[A-Z_]+", problem["code"])
    assert not LEAKS.search(body.decode()), f"says too much: {body.decode()[:500]}"
    _check_headers(status, headers)
    if status == httpx.codes.UNPROCESSABLE_ENTITY:
        assert problem["errors"]
        assert all({"loc", "msg", "type"} <= set(error) for error in problem["errors"])
    return problem


def _check_headers(status: int, headers: dict[str, str]) -> None:
    if status in RETRY:
        assert int(headers["retry-after"]) >= 1
    if status == httpx.codes.METHOD_NOT_ALLOWED:
        assert headers["allow"]
