"""`tracesvc trace`: its options."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tracesvc.settings import Settings

DAY = click.DateTime(formats=["%Y-%m-%d"])
FORMATS = click.Choice(["csv", "ndjson", "parquet", "arrow", "xlsx"])
DIRECTIONS = click.Choice(["backward", "forward"])
PATH = click.Path(path_type=Path)

EXIT_CODES = """\b
Exit codes:
  0    complete: every container is accounted for
  2    refused: the command or the question is wrong, or a file cannot be written
  3    some containers could not be fetched; what was found is written
  4    the trace ended before it was complete; half-written files are removed
  5    the service cannot be reached
  130  interrupted
"""

HELP = {
    "files": "Container ids in a file, one a line or separated by commas; - is standard input.",
    "lot": "Lot ids (CONTAINERNAME); * stands for anything.",
    "wafer_lot": "Wafer lots (FIRSTNAME).",
    "work_order": "Work orders (GA…, GC…).",
    "serial": "Serial numbers of finished goods.",
    "station": "Detection station: everything that passed it, with --from and --to.",
    "first_day": "First day, 2026-01-31.",
    "last_day": "Last day, itself included.",
    "direction": "Upstream or downstream of the station.",
    "profile": "query_tool, query_tool_reverse or mid_section_defect; without, what the other options mean.",
    "domains": "An event domain, as often as you want; without, the profile's.",
    "job_id": "Follow this job, from its beginning, instead of asking.",
    "output": "Write FILE: .parquet .csv .ndjson .arrow .xlsx .zip, or - for NDJSON on standard output. "
    "Several domains become FILE.domain.ext.",
    "file_format": "The format, when the file's ending does not say it.",
    "fresh": "Ask again, even if the same question was just answered.",
    "quiet": "Only warnings and errors.",
    "url": "The service (TRACE_URL).",
}

OPTIONS: Sequence[Callable[[Callable[..., None]], Callable[..., None]]] = (
    click.argument("ids", nargs=-1),
    click.option("-f", "--file", "files", multiple=True, type=PATH, help=HELP["files"]),
    click.option("--lot", multiple=True, help=HELP["lot"]),
    click.option("--wafer-lot", multiple=True, help=HELP["wafer_lot"]),
    click.option("--work-order", multiple=True, help=HELP["work_order"]),
    click.option("--serial", multiple=True, help=HELP["serial"]),
    click.option("--station", help=HELP["station"]),
    click.option("--from", "first_day", type=DAY, help=HELP["first_day"]),
    click.option("--to", "last_day", type=DAY, help=HELP["last_day"]),
    click.option("--direction", type=DIRECTIONS, help=HELP["direction"]),
    click.option("--profile", help=HELP["profile"]),
    click.option("-d", "--domain", "domains", multiple=True, help=HELP["domains"]),
    click.option("--job", "job_id", metavar="ID", help=HELP["job_id"]),
    click.option("-o", "--output", metavar="FILE", help=HELP["output"]),
    click.option("--format", "file_format", type=FORMATS, help=HELP["file_format"]),
    click.option("--fresh", is_flag=True, help=HELP["fresh"]),
    click.option("-q", "--quiet", is_flag=True, help=HELP["quiet"]),
    click.option("--url", help=HELP["url"]),
)


def trace_command(settings: Callable[..., Settings]) -> click.Command:
    """The command; `settings` reads those in force."""

    def trace(**given: Any) -> None:  # noqa: ANN401 - what click has parsed
        """Trace containers and show, or write, what happened to them.

        Without -o the records are only counted. Progress goes to standard error.
        """
        sys.exit(_trace(settings, given))

    decorated: Callable[..., None] = trace
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return click.command("trace", epilog=EXIT_CODES)(decorated)


def _trace(settings: Callable[..., Settings], given: Mapping[str, Any]) -> int:
    from tracesvc.commands.output import Target
    from tracesvc.commands.question import SEED_OPTIONS, Given, read_question
    from tracesvc.commands.run import Run, run_trace

    said = Given(
        ids=given["ids"],
        files=given["files"],
        seeds={name: given[name] for name in SEED_OPTIONS},
        profile=given["profile"],
        domains=given["domains"],
        station=given["station"],
        first_day=_day(given["first_day"]),
        last_day=_day(given["last_day"]),
        direction=given["direction"],
    )
    run = Run(
        question=None if given["job_id"] else read_question(said),
        job_id=given["job_id"],
        domains=given["domains"],
        target=Target.parse(given["output"], given["file_format"]) if given["output"] else None,
        quiet=given["quiet"],
        fresh=given["fresh"],
    )
    return run_trace(settings(trace_url=given["url"]), run)


def _day(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%d}" if moment else None
