"""One trace from the question to the summary."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
from rich.console import Console

from tracesvc.client import Trace, TraceClient
from tracesvc.commands.asking import COMPLETE, INTERRUPTED, PARTIAL, REFUSED, UNREAD, failed, open_client
from tracesvc.commands.display import display_on, summary_table
from tracesvc.commands.output import Output, Target
from tracesvc.errors import AskingFailed
from tracesvc.files.writer import FileNotWritten, FileUnread
from tracesvc.settings import Settings


@dataclass(frozen=True)
class Run:
    """What to trace, or which job to follow, and where it goes."""

    question: Mapping[str, Any] | None
    job_id: str | None
    domains: tuple[str, ...]
    target: Target | None
    quiet: bool
    fresh: bool


def run_trace(settings: Settings, run: Run) -> int:
    """Trace; the exit code."""
    return asyncio.run(_run(settings, run))


async def _run(settings: Settings, run: Run) -> int:
    console = Console(stderr=True, highlight=False)
    display = display_on(console, quiet=run.quiet)
    async with open_client(settings) as client:
        options: dict[str, Any] = {"on_progress": display.tell, "fresh": run.fresh, "as_job": True}
        trace = (
            client.follow(run.job_id, on_progress=display.tell)
            if run.job_id is not None
            else client.trace(run.question or {}, **options)
        )
        output = Output(run.target) if run.target else None
        reading = asyncio.create_task(_read(client, trace, output, run.domains or None))
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, reading.cancel)
        try:
            await reading
        except asyncio.CancelledError:
            display.stop()
            return await _interrupted(trace, run)
        except AskingFailed as error:
            display.stop()
            code = failed(error)
            _show(console, trace, run, output)
            return code
        except FileUnread:
            return UNREAD
        except FileNotWritten as error:
            display.stop()
            click.echo(f"error: {error}", err=True)
            return REFUSED
        finally:
            display.stop()
            if output is not None:
                await output.drop()
    _show(console, trace, run, output)
    return PARTIAL if trace.ledger.warning is not None else COMPLETE


async def _read(
    client: TraceClient, trace: Trace, output: Output | None, domains: tuple[str, ...] | None
) -> None:
    if output is not None:
        output.learn(await client.catalogue())
    async with contextlib.aclosing(trace.raw(domains if trace.job_id else None)) as lines:
        async for line in lines:
            if output is not None:
                await output.take(line)
    if output is not None:
        await output.close()


def _show(console: Console, trace: Trace, run: Run, output: Output | None) -> None:
    ledger = trace.ledger
    if not run.quiet and ledger.domains:
        console.print(summary_table(list(ledger.domains.values())))
    if ledger.warning is not None:
        console.print(f"warning: {ledger.warning.message}")
    if not run.quiet:
        for path in output.written if output else ():
            console.print(f"wrote {path}")
        if trace.job_id is not None:
            console.print(f"job {trace.job_id}")


async def _interrupted(trace: Trace, run: Run) -> int:
    """Ctrl-C: the job goes on by itself; ask once whether it shall. A second Ctrl-C ends at once."""
    loop = asyncio.get_running_loop()
    loop.remove_signal_handler(signal.SIGINT)
    if trace.job_id is None:
        return INTERRUPTED
    cancel = False
    if sys.stdin.isatty():
        with contextlib.suppress(click.Abort):
            cancel = await asyncio.to_thread(
                click.confirm, "\nStopped reading. Cancel the job too?", default=False, err=True
            )
    if cancel:
        with contextlib.suppress(AskingFailed):
            await trace.cancel()
            click.echo(f"cancelled {trace.job_id}", err=True)
        return INTERRUPTED
    where = f" -o {run.target.path}" if run.target else ""
    click.echo(f"The job goes on. Read it with: tracesvc trace --job {trace.job_id}{where}", err=True)
    return INTERRUPTED
