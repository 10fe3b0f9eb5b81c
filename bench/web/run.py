"""`make bench-web`: the page in Chromium over a finished job, by localhost and by a name on plain HTTP.

    python -m bench.web.run [--plant FILE] [--domains history …]

prints a line a run: first row, all rows, longest task of the main thread, peak memory of the page's process.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import httpx

from bench.report import megabytes
from tracesvc.demo.default_plant import kept_plant, plant_url
from tracesvc.demo.plant import plant_container_ids
from tracesvc.settings import Settings, load_settings

FULL_CONTAINERS: Final = 114_000
MEASURE: Final = Path(__file__).with_name("measure.mjs")
START_SECONDS: Final = 120
JOB_SECONDS: Final = 900
LOOK_SECONDS: Final = 0.5
ALL: Final = (
    "history", "upstream_history", "materials", "rejects", "downstream_rejects", "holds", "jobs",
)  # fmt: skip


@contextmanager
def stack(plant: Path) -> Iterator[str]:
    """`tracesvc up` on the plant; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"TRACE_SOURCE_URL": plant_url(plant), "TRACE_DATA_DIR": folder}
        environment["TRACE_WORKER_COUNT"] = "1"
        for name in Settings.model_fields:
            if name.endswith("_rate_limit_max_requests"):
                environment[name.upper()] = "1000000"
        command = [sys.executable, "-m", "tracesvc", "up", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def finished_job(url: str, container_ids: list[str], domains: tuple[str, ...]) -> tuple[str, int]:
    """A job over these, run to its end: its id and how many records it has."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as api:
        for _ in range(START_SECONDS):
            try:
                if api.get("/readyz").is_success:
                    break
            except httpx.TransportError:
                pass
            time.sleep(1)
        body = {"profile": "query_tool", "container_ids": container_ids, "domains": domains}
        answer = api.post("/api/trace/events", json=body, headers={"Prefer": "respond-async"})
        answer.raise_for_status()
        job_id = answer.json()["job_id"]
        until = time.monotonic() + JOB_SECONDS
        while time.monotonic() < until:
            answer = api.get(f"/api/trace/job/{job_id}")
            status = answer.raise_for_status().json()
            if status["status"] not in {"queued", "running"}:
                break
            time.sleep(LOOK_SECONDS)
        if status["status"] != "finished":
            raise click.ClickException(f"the job ended as {status['status']}")
        return job_id, status["progress"]["records"]


def look(url: str, job_id: str) -> dict[str, Any]:
    """One look at the job in a fresh browser."""
    node = shutil.which("node")
    if node is None:
        raise click.ClickException("Node was not found; the page is measured with it.")
    done = subprocess.run([node, str(MEASURE), url, job_id], stdout=subprocess.PIPE, check=True, text=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def line(name: str, records: int, figures: dict[str, Any]) -> str:
    """A row of the table."""
    return (
        f"| {name} | {records:,} | {figures['first_row_s']:.2f} s | {figures['all_s']:.1f} s "
        f"| {figures['longest_task_ms']:.0f} ms | {figures['blocked_ms']:.0f} ms "
        f"| {megabytes(figures['peak_mb'] * 1024 * 1024)} | {figures['jump_ms']:.0f} ms |"
    )


@click.command()
@click.option("--plant", type=click.Path(path_type=Path, exists=True), help="A plant file of your own.")
@click.option("--rounds", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--large/--no-large", default=True, show_default=True, help="All seven domains too.")
def main(plant: Path | None, rounds: int, *, large: bool) -> None:
    """Measure the page."""
    path = plant or kept_plant(load_settings().trace_data_dir, containers=FULL_CONTAINERS)
    container_ids = list(plant_container_ids(path))
    print("| run | records | first row | all | longest task | blocked | peak memory | jump to 90 % |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with stack(path) as url:
        for domains in (("history",), ALL)[: 2 if large else 1]:
            job_id, records = finished_job(url, container_ids, domains)
            for _ in range(rounds):
                print(line("localhost", records, look(url, job_id)), flush=True)
                named = url.replace("127.0.0.1", "plant.test")
                print(line("a name, plain HTTP", records, look(named, job_id)), flush=True)


if __name__ == "__main__":
    main()
