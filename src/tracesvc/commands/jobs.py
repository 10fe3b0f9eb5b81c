"""`tracesvc jobs`, `status` and `cancel`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tracesvc.client import TraceClient
    from tracesvc.settings import Settings

WATCH_SECONDS = 20.0
LEAST_WIDTH = 140  # an id that is cut cannot be used
ENDED = ("finished", "failed", "cancelled")

_url = click.option("--url", help="The service (TRACE_URL).")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, as the service sends it.")


def job_commands(settings: Callable[..., Settings]) -> list[click.Command]:
    """The commands; `settings` reads those in force."""
    return [_jobs(settings), _status(settings), _cancel(settings)]


def _jobs(settings: Callable[..., Settings]) -> click.Command:
    @click.command()
    @click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
    @_json
    @_url
    def jobs(limit: int, url: str | None, *, as_json: bool) -> None:
        """List your jobs, newest first."""
        from rich.console import Console

        from tracesvc.commands.asking import ask
        from tracesvc.commands.display import jobs_table

        found = ask(settings(trace_url=url), lambda client: client.jobs(limit))
        if as_json:
            click.echo(json.dumps({"jobs": found}, ensure_ascii=False))
        else:
            console = Console(highlight=False)
            console.width = max(console.width, LEAST_WIDTH)
            console.print(jobs_table(found))

    return jobs


def _status(settings: Callable[..., Settings]) -> click.Command:
    @click.command()
    @click.argument("job_id", required=False)
    @click.option("--watch", is_flag=True, help="Go on until the job ends, a line for each change.")
    @_json
    @_url
    def status(job_id: str | None, url: str | None, *, watch: bool, as_json: bool) -> None:
        """Show a job, or without one the whole service.

        Exit code 0; 4 when the job failed or was cancelled.
        """
        if job_id is None:
            from tracesvc.commands.overview import show_overview

            if watch or as_json:
                raise click.UsageError("--watch and --json want a job's id.")
            show_overview(settings(trace_url=url))
            return
        from tracesvc.commands.asking import COMPLETE, INCOMPLETE, ask

        job = ask(
            settings(trace_url=url), lambda client: _watch(client, job_id, watch=watch, as_json=as_json)
        )
        sys.exit(INCOMPLETE if job["status"] in {"failed", "cancelled"} else COMPLETE)

    return status


def _cancel(settings: Callable[..., Settings]) -> click.Command:
    @click.command()
    @click.argument("job_ids", nargs=-1, required=True, metavar="JOB_ID...")
    @_url
    def cancel(job_ids: tuple[str, ...], url: str | None) -> None:
        """Cancel jobs that run, and free their results."""
        from tracesvc.commands.asking import ask

        for job_id in job_ids:
            before = ask(settings(trace_url=url), lambda client, job_id=job_id: client.cancel(job_id))  # type: ignore[misc]
            click.echo(f"{job_id}: {before if before.startswith('cancel') else f'{before}, now freed'}")

    return cancel


async def _watch(client: TraceClient, job_id: str, *, watch: bool, as_json: bool) -> dict[str, Any]:
    from tracesvc.commands.display import status_line

    job = await client.status(job_id)
    while True:
        click.echo(json.dumps(job, ensure_ascii=False) if as_json else status_line(job))
        if not watch or job["status"] in ENDED:
            return job
        job = await client.status(job_id, wait_seconds=WATCH_SECONDS)
