"""The `tracesvc` command.

Every option is a setting too; an option wins over the environment, which wins over `.env`. What a
command needs is imported when it runs, so that `tracesvc --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tracesvc.commands.jobs import job_commands
from tracesvc.commands.trace import trace_command
from tracesvc.errors import SettingsError, TraceError
from tracesvc.keyring import keys

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tracesvc.settings import Settings

REFUSED_EXIT_CODE: Final = 2
HELP: Final = {"help_option_names": ["-h", "--help"]}

_host = click.option("--host", metavar="ADDRESS", help="Address to listen on (TRACE_HOST; 127.0.0.1).")
_port = click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on, 0 for a free one (TRACE_PORT; 8000)."
)


def main() -> None:
    """Run the command; what a person can put right is one line on standard error and exit code 2."""
    try:
        cli(prog_name="tracesvc")
    except TraceError as error:
        click.echo(f"error: {error.detail}", err=True)
        sys.exit(REFUSED_EXIT_CODE)


@click.group(context_settings=HELP)
@click.version_option(package_name="tracesvc")
def cli() -> None:
    """What happened to these containers? tracesvc reads a plant's warehouse and streams the answer."""


cli.add_command(keys)


@cli.command()
@_host
@_port
def up(host: str | None, port: int | None) -> None:
    """Run Redis, API and workers on this machine.

    With TRACE_REDIS_URL set that server is used, without TRACE_SOURCE_URL a sample plant is made.
    """
    from tracesvc.demo.stack import run_stack

    run_stack(_settings(trace_host=host, trace_port=port))


@cli.command()
@_host
@_port
def api(host: str | None, port: int | None) -> None:
    """Run one API process. It needs TRACE_REDIS_URL and TRACE_SOURCE_URL."""
    _serve(_settings(trace_host=host, trace_port=port))


@cli.command()
def worker() -> None:
    """Run one worker process. It needs TRACE_REDIS_URL and TRACE_SOURCE_URL."""
    settings = _settings()
    from tracesvc.worker import run_worker

    run_worker(settings)


@cli.command("sample-plant")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--containers", type=click.IntRange(min=1), default=2000, show_default=True, help="How many containers."
)
@click.option("--seed", type=int, default=7, show_default=True, help="Same seed, same plant.")
@click.option("--tiny", is_flag=True, help="The plant of a dozen lots that can be checked by hand.")
def sample_plant(out: Path, containers: int, seed: int, *, tiny: bool) -> None:
    """Write a made-up plant to OUT.

    A database file when OUT ends in .duckdb, else a directory of Parquet files.
    """
    from tracesvc.demo.plant import make_plant
    from tracesvc.demo.tiny import make_tiny_plant

    if tiny:
        make_tiny_plant(out)
        click.echo(f"{out}: the plant of a dozen lots")
        return
    summary = make_plant(out, containers=containers, seed=seed)
    for table, rows in summary.rows.items():
        click.echo(f"{table:<28} {rows:>12,} rows")
    click.echo(f"{out}: {summary.bytes / 1e6:,.1f} MB in {summary.seconds:.1f} s")


@cli.command()
@click.option(
    "--containers",
    type=click.IntRange(min=1),
    default=114_000,
    show_default=True,
    help="How many containers to trace.",
)
@click.option("--once", is_flag=True, help="End after the measurement instead of serving on.")
@_port
def demo(containers: int, port: int | None, *, once: bool) -> None:
    """Trace a whole sample plant and measure it."""
    from tracesvc.demo.show import show

    sys.exit(show(_settings(trace_port=port), containers=containers, once=once))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(*, as_json: bool) -> None:
    """Look whether everything is there, and say what to do.

    Exit code 0 when all is well or only warned of, 1 when something failed.
    """
    import asyncio
    import logging

    from tracesvc.catalogue import load_catalogue
    from tracesvc.doctor import Finding, examine

    settings = _settings()
    catalogue = load_catalogue(settings.trace_catalogue)
    logging.getLogger("tracesvc").addHandler(logging.NullHandler())  # the findings say it

    async def run() -> list[Finding]:
        return [finding async for finding in examine(settings, catalogue)]

    findings = asyncio.run(run())
    if as_json:
        import orjson

        click.echo(orjson.dumps({"findings": [finding.document() for finding in findings]}).decode())
    else:
        for finding in findings:
            mark = {"ok": "ok     ", "warning": "WARNING", "failed": "FAILED "}[finding.state]
            click.echo(f"{mark}  {finding.check}: {finding.found}")
            if finding.do:
                click.echo(f"         -> {finding.do}")
    sys.exit(int(any(finding.state == "failed" for finding in findings)))


@cli.command()
@click.option("--generators", is_flag=True, help="OpenAPI 3.1, as generators of clients read it.")
def openapi(*, generators: bool) -> None:
    """Print the description of the API, OpenAPI 3.2."""
    from tracesvc.app import create_app
    from tracesvc.openapi import as_text, derive_31, describe_32

    description = describe_32(create_app(_settings()))
    click.echo(as_text(derive_31(description) if generators else description), nl=False)


def _serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    import uvicorn

    from tracesvc.app import create_app
    from tracesvc.listen import address, listening_socket, server_config
    from tracesvc.telemetry import set_up_logging

    set_up_logging(settings.trace_log_format, settings.trace_log_level)
    with listening_socket(settings.trace_host, settings.trace_port) as listener:
        app = _Starting(create_app(settings))
        config = server_config(app, settings)
        url = address(settings.trace_host, listener.getsockname()[1])
        click.echo(f"tracesvc API listens at {url}", err=True)
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except SystemExit:  # uvicorn's way to say that the application did not start
            if app.refused is None:
                raise
            raise app.refused from None


class _Starting:
    """The application; remembers why it refused to start, so that this is told without a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.refused: TraceError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def without_trace(message: Message) -> None:
            error = sys.exception()
            if message["type"] == "lifespan.startup.failed" and isinstance(error, TraceError):
                self.refused, message = error, {**message, "message": ""}
            await send(message)

        await self._app(scope, receive, without_trace if scope["type"] == "lifespan" else send)


def _settings(**options: object) -> Settings:
    """The settings in force; an option that was not given does not count."""
    from tracesvc.settings import load_settings, unknown_names

    for name, nearest in unknown_names(_names_in_sight()).items():
        hint = f"; did you mean {nearest}?" if nearest else ""
        click.echo(f"warning: {name} is no setting and has no effect{hint}", err=True)
    return load_settings(**{name: value for name, value in options.items() if value is not None})


def _names_in_sight() -> list[str]:
    """Variables of the environment and of `.env` in the working directory."""
    from dotenv import dotenv_values

    try:
        in_file = list(dotenv_values(".env"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env cannot be read: {error}") from None
    return [*os.environ, *in_file]


for _command in (trace_command(_settings), *job_commands(_settings)):
    cli.add_command(_command)
