"""Requests that are tried again: what fails in passing waits and repeats, what is refused is raised."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypedDict, Unpack

import httpx
import orjson

from tracesvc.errors import ServiceAway, TraceRefused

IN_PASSING: Final = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses after which the same request may do better."""

_SHOWN: Final = ("type", "title", "status", "detail", "code")


class RequestOptions(TypedDict, total=False):
    """What a request may have beside its method and path, as httpx takes it."""

    params: Mapping[str, Any]
    headers: Mapping[str, str]
    content: bytes
    timeout: httpx.Timeout


class Passing(Exception):
    """An attempt failed in a way that may pass; `wait_seconds` is what the server asks for."""

    def __init__(self, error: ServiceAway | TraceRefused, wait_seconds: float | None = None) -> None:
        super().__init__(error.detail)
        self.error = error
        self.wait_seconds = wait_seconds


@dataclass(frozen=True)
class Patience:
    """How long a client goes on: so many attempts in a row that bring nothing, pauses doubling between."""

    attempts: int = 8
    attempts_at_first: int = 4
    """The same before the service has answered at all: then it is rather not there."""
    first_seconds: float = 0.2
    longest_seconds: float = 10.0
    longest_asked_seconds: float = 60.0
    """More than this a `Retry-After` is not waited for."""

    def pause_seconds(self, failures: int, asked: float | None) -> float:
        """Before the next attempt; spread, so that many clients do not come back at once."""
        if asked is not None:
            return min(asked, self.longest_asked_seconds)
        pause: float = min(self.first_seconds * 2**failures, self.longest_seconds)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311


class Connection:
    """The service as this client reaches it."""

    def __init__(self, http: httpx.AsyncClient, patience: Patience) -> None:
        self._http = http
        self.patience = patience

    async def ask(self, method: str, path: str, **options: Unpack[RequestOptions]) -> httpx.Response:
        """A whole answer, tried again while it fails in passing. Raises `TraceRefused`, `ServiceAway`."""
        failures = 0
        while True:
            try:
                async with self.opened(method, path, **options) as answer:
                    await answer.aread()
                    return answer
            except Passing as passing:
                failures += 1
                await self.pause(failures, passing, at_first=isinstance(passing.error, ServiceAway))

    @asynccontextmanager
    async def opened(
        self, method: str, path: str, **options: Unpack[RequestOptions]
    ) -> AsyncIterator[httpx.Response]:
        """One attempt; the answer's body is not read yet. Raises `TraceRefused`, `Passing`."""
        try:
            async with self._http.stream(method, path, **options) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise _refusal(answer)
                yield answer
        except httpx.TransportError as error:
            what = str(error) or type(error).__name__
            raise Passing(ServiceAway(f"{self._http.base_url} does not answer: {what}.")) from error
        except httpx.DecodingError as error:
            raise Passing(ServiceAway(f"An answer of {self._http.base_url} is damaged: {error}.")) from error

    async def pause(self, failures: int, passing: Passing, *, at_first: bool) -> None:
        """Wait before the next attempt, or raise what failed when there were enough."""
        most = self.patience.attempts_at_first if at_first else self.patience.attempts
        if failures >= most:
            raise passing.error from passing
        await asyncio.sleep(self.patience.pause_seconds(failures - 1, passing.wait_seconds))


def _refusal(answer: httpx.Response) -> TraceRefused | Passing:
    problem = _problem(answer)
    code = str(problem.get("code", ""))
    detail = str(problem.get("detail") or f"{answer.request.url} answered HTTP {answer.status_code}.")
    fields = {name: value for name, value in problem.items() if name not in _SHOWN}
    error = TraceRefused(detail, answered=code, http_status=answer.status_code, **fields)
    if answer.status_code in IN_PASSING:
        return Passing(error, _seconds(answer.headers.get("retry-after")))
    return error


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        found = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(retry_after: str | None) -> float | None:
    try:
        return float(retry_after) if retry_after else None
    except ValueError:  # a date: rare, and the pause of our own will do
        return None
