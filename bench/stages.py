"""An analysis from a range of days to its numbers, in one job: seconds a stage, and peak memory.

    python -m bench.stages

prints these rows alone; `make bench` has them too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
import psutil
from rich.console import Console

from bench.processes import peak_bytes
from bench.report import Row, megabytes, rate, seconds
from bench.sides import JSON_BODY, NEW_JOB, Ours, ours, redis_server
from bench.wire import Refused, ask
from tracesvc.demo.default_plant import kept_plant, plant_url
from tracesvc.settings import load_settings

STAGES: Final = ("seed-resolve", "lineage", "events", "aggregation")
DAYS: Final = {"start_date": "2025-07-01", "end_date": "2026-01-31"}
FULL_CONTAINERS: Final = 114_000
POLL_SECONDS: Final = 0.02
WARM_SECONDS: Final = 1.0


def stage_rows(redis_url: str, source_url: str, tell: Callable[[str], None]) -> list[Row]:
    """One analysis of all the plant's days, in fresh processes."""
    tell("stages: an analysis of every day")
    with ours(redis_url, source_url) as side:
        body = {"profile": "mid_section_defect", "params": DAYS}
        began = time.perf_counter()
        answer = ask(side.port, "POST", "/api/trace/events", headers=NEW_JOB, body=orjson.dumps(body))
        job_id = str(orjson.loads(answer)["job_id"])
        ends, status = _follow(side, job_id, began)
        peaks = peak_bytes(side.worker_pid), _peak_of_analysis(side.worker_pid)
        path = f"/api/trace/job/{job_id}/aggregate"
        reasons = _reasons(side, path)
        warm = min(_timed(side, path, {"loss_reasons": reasons[:count]}) for count in (1, 2, 3))
    containers, records = int(status["cid_count"]), int(status["progress"]["records"])
    whole = ends[STAGES[-1]]
    rows = [
        Row(f"analysis, {containers:,} containers", seconds(whole), rate(records, whole), whole, "s"),
    ]
    before = 0.0
    for stage in STAGES:
        taken = ends[stage] - before
        rows.append(Row(f"analysis, {stage}", seconds(taken), f"all {seconds(whole)}", taken, "s"))
        before = ends[stage]
    told = "analysis with other filters, warm"
    rows.append(Row(told, seconds(warm), f"{records:,} records", warm, "s", most=WARM_SECONDS))
    rows.append(
        Row(
            "analysis, peaks of worker and its analysis",
            megabytes(peaks[0]),
            megabytes(peaks[1]),
            peaks[0] / 1e6,
            "MB",
        )
    )
    return rows


def _follow(side: Ours, job_id: str, began: float) -> tuple[dict[str, float], Mapping[str, Any]]:
    """When each stage ended, in seconds since `began`, and the last status."""
    ends: dict[str, float] = {}
    while True:
        status = orjson.loads(ask(side.port, "GET", f"/api/trace/job/{job_id}"))
        now = time.perf_counter() - began
        over = status["status"] not in {"queued", "running"}
        for stage in STAGES[: len(STAGES) if over else STAGES.index(status["stage"])]:
            ends.setdefault(stage, now)
        if over:
            break
        time.sleep(POLL_SECONDS)
    if status["status"] != "finished":
        raise Refused(f"the analysis did not finish: {status['error']}")
    return ends, status


def _peak_of_analysis(worker_pid: int) -> int:
    """The largest peak among the worker's own processes; they stay for a while after their work."""
    return max((peak_bytes(child.pid) for child in psutil.Process(worker_pid).children()), default=0)


def _reasons(side: Ours, path: str) -> list[str]:
    found = orjson.loads(ask(side.port, "POST", path, headers=JSON_BODY, body=b"{}"))
    return [str(reason) for reason in found["data"]["available_loss_reasons"]]


def _timed(side: Ours, path: str, filters: Mapping[str, object]) -> float:
    began = time.perf_counter()
    ask(side.port, "POST", path, headers=JSON_BODY, body=orjson.dumps(filters))
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    console = Console(highlight=False)
    plant = kept_plant(load_settings().trace_data_dir, containers=FULL_CONTAINERS, seed=7)
    with redis_server() as redis_url:
        for row in stage_rows(redis_url, plant_url(plant), lambda what: console.print(f"… {what}")):
            console.print(f"{row.measured}: {row.ours}, {row.reference}")


if __name__ == "__main__":
    main()
