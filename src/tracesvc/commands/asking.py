"""Where the service is, and what the exit codes mean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import click

from tracesvc.client import ServiceAway, TraceClient, TraceIncomplete, TraceRefused
from tracesvc.errors import AskingFailed
from tracesvc.listen import address
from tracesvc.settings import Settings

COMPLETE: Final = 0
REFUSED: Final = 2
PARTIAL: Final = 3
INCOMPLETE: Final = 4
AWAY: Final = 5
INTERRUPTED: Final = 130
UNREAD: Final = 141  # as a program that SIGPIPE ended

T = TypeVar("T")


def open_client(settings: Settings) -> TraceClient:
    """A client of the service that the settings name; make it where its event loop runs."""
    url = settings.trace_url or address(settings.trace_host, settings.trace_port)
    return TraceClient(url.rstrip("/"), api_key=settings.trace_api_key.get_secret_value() or None)


def ask(settings: Settings, work: Callable[[TraceClient], Coroutine[Any, Any, T]]) -> T:
    """The result of `work`. What fails is one line on standard error, and ends the command with its code."""

    async def main() -> T:
        async with open_client(settings) as client:
            return await work(client)

    try:
        return asyncio.run(main())
    except AskingFailed as error:
        raise SystemExit(failed(error)) from None


def failed(error: AskingFailed) -> int:
    """Say what went wrong; the exit code for it."""
    code = f" ({error.answered})" if error.answered else ""
    click.echo(f"error{code}: {error.detail}", err=True)
    match error:
        case TraceIncomplete():
            return INCOMPLETE
        case ServiceAway():
            return AWAY
        case TraceRefused() if error.fields.get("http_status") in {502, 503, 504}:
            return AWAY
        case _:
            return REFUSED
