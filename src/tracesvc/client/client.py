"""TraceClient: ask the service, follow what it does, list and cancel jobs."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self, Unpack
from urllib.parse import quote

import httpx

from tracesvc.client.connection import Connection, Patience
from tracesvc.client.trace import Trace, TraceChoices, TraceOptions

DEFAULT_URL: Final = "http://127.0.0.1:8000"
ANSWER_SECONDS: Final = 60.0


class TraceClient:
    """One service. Use it as a context (`async with`), or `aclose` it.

    `api_key` goes as a bearer token. `http` is a client of your own, with its own base URL, for proxies and
    certificates; it is left open.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        patience: Patience | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._own = None if http else httpx.AsyncClient(base_url=url, headers=headers, timeout=ANSWER_SECONDS)
        self._connection = Connection(http or self._own or httpx.AsyncClient(), patience or Patience())

    def trace(self, query: Mapping[str, Any], **options: Unpack[TraceChoices]) -> Trace:
        """Ask; nothing is sent before it is read. `query` is the body of `POST /events`.

        Options (`TraceOptions`): `on_progress`, called with a `TraceProgress` after each line;
        `cancel_on_exit`; `allow_partial`, to take records and tables of which containers are missing;
        `as_job`, also when it is small; `fresh`, no result of an earlier question.
        """
        return Trace(self._connection, query, None, TraceOptions(**options))

    def follow(self, job_id: str, **options: Unpack[TraceChoices]) -> Trace:
        """The stream of a job that there is already, from its beginning; the same options."""
        return Trace(self._connection, None, job_id, TraceOptions(**options))

    async def jobs(self, limit: int = 20) -> list[dict[str, Any]]:
        """The caller's jobs, newest first, as status documents."""
        answer = await self._connection.ask("GET", "/api/trace/jobs", params={"limit": limit})
        jobs: list[dict[str, Any]] = answer.json()["jobs"]
        return jobs

    async def status(self, job_id: str, *, wait_seconds: float = 0) -> dict[str, Any]:
        """A job's status document; `wait_seconds` (up to 30) holds the answer until something changes."""
        answer = await self._connection.ask("GET", _path(job_id), params={"wait": wait_seconds})
        return _document(answer)

    async def cancel(self, job_id: str) -> str:
        """Cancel a job that runs and free its result: `cancelled`, `finished`, `failed` or `cancelling`."""
        return str(_document(await self._connection.ask("DELETE", _path(job_id)))["status"])

    async def coverage(
        self,
        job_id: str,
        *,
        domain: str | None = None,
        of: str | None = None,
        offset: int = 0,
        limit: int = 5000,
    ) -> dict[str, Any]:
        """Counts of containers by domain; with `domain` and `of` (`without`, `failed`) a page of ids."""
        asked = {"domain": domain, "of": of, "offset": offset, "limit": limit}
        params = {name: value for name, value in asked.items() if value is not None}
        return _document(await self._connection.ask("GET", f"{_path(job_id)}/coverage", params=params))

    async def catalogue(self) -> dict[str, Any]:
        """Profiles, domains with columns and types, and the limits in force."""
        return _document(await self._connection.ask("GET", "/api/trace/catalogue"))

    async def aclose(self) -> None:
        """Close the connections."""
        if self._own is not None:
            await self._own.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        await self.aclose()


def _path(job_id: str) -> str:
    return f"/api/trace/job/{quote(job_id, safe='')}"


def _document(answer: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()
    return found
