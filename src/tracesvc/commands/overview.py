"""`tracesvc status`: the whole service on one screen, from /readyz, /metrics and the newest jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from tracesvc.errors import SourceUnavailable, Unauthenticated

if TYPE_CHECKING:
    import httpx

    from tracesvc.settings import Settings

SECONDS: Final = 10.0
NEWEST: Final = 8
MIB: Final = 1024 * 1024


def show_overview(settings: Settings) -> None:
    """Print it, for the service that the settings name. Raises what says why it cannot be had."""
    import httpx

    from tracesvc.listen import address

    url = settings.trace_url or address(settings.trace_host, settings.trace_port)
    key = settings.trace_api_key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=SECONDS) as client:
            for line in _lines(client):
                click.echo(line)
    except httpx.HTTPError as error:
        raise SourceUnavailable(f"{url} does not answer ({type(error).__name__}).") from None


def _lines(client: httpx.Client) -> Iterator[str]:
    ready = client.get("/readyz").json()
    yield f"{client.base_url}  {ready['status']}"
    jobs = client.get("/api/trace/jobs", params={"limit": NEWEST})
    if jobs.status_code == 401:  # noqa: PLR2004 - HTTP's
        raise Unauthenticated("This service wants a key: set TRACE_API_KEY.")
    for name, check in ready.get("checks", {}).items():
        yield f"  {name:<15} {check['status']:<12} {_about(name, check)}".rstrip()
    figures = _figures(client.get("/metrics").text)
    if figures:
        yield ""
        yield from _figure_lines(figures)
    if jobs.is_success:
        yield ""
        yield from _job_lines(jobs.json()["jobs"])


def _about(name: str, check: Mapping[str, Any]) -> str:
    if name == "workers":
        return ", ".join(worker["name"] for worker in check["workers"])
    if name == "database_slots" and "limit" in check:
        return f"{check['held']} of {check['limit']} in use, {check['waiting']} waiting"
    return str(check.get("detail", ""))


def _figures(text: str) -> dict[str, float]:
    """The figures without labels, by name; empty when they may not be seen."""
    plain = (line for line in text.splitlines() if line.startswith("tracesvc_") and "{" not in line)
    return {name: float(value) for name, _, value in (line.partition(" ") for line in plain)}


def _figure_lines(figures: Mapping[str, float]) -> Iterator[str]:
    def of(name: str) -> float:
        return figures.get(f"tracesvc_{name}", 0.0)

    yield (
        f"  jobs            {of('jobs_active'):.0f} wait or run, {of('queue_waiting'):.0f} of them untaken, "
        f"the first for {of('queue_oldest_seconds'):.1f} s"
    )
    most = of("redis_max_bytes")
    limit = f"of {most / MIB:,.0f} MiB" if most else "MiB, without a limit"
    yield f"  Redis           {of('redis_used_bytes') / MIB:,.0f} {limit}"


def _job_lines(jobs: list[dict[str, Any]]) -> Iterator[str]:
    if not jobs:
        yield "  no jobs"
    for job in jobs:
        progress, error = job["progress"], (job["error"] or {}).get("code", "")
        yield (
            f"  {job['job_id']:<36} {job['status']:<9} {progress['percent']:>5.1f} %"
            f" {progress['records']:>11,} records {job['elapsed_seconds']:>8.1f} s  {error}"
        ).rstrip()
