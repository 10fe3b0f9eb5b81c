"""`tracesvc trace`, `jobs`, `status`, `cancel` ask the running service: what they print, write, return."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import polars as pl
import pytest

from tests.integration.conftest import LIMITS, SLOW
from tests.support import Plant, Stack, child_env, wait_for

COMMAND = [sys.executable, "-m", "tracesvc"]


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], small_plant: Plant) -> Stack:
    return stacks(small_plant, workers=1, **LIMITS)


@pytest.fixture(scope="module")
def slow(stacks: Callable[..., Stack], small_plant: Plant) -> Stack:
    return stacks(small_plant, workers=1, **LIMITS, **SLOW)


@pytest.fixture
def ids(small_plant: Plant, tmp_path: Path) -> Path:
    path = tmp_path / "ids.txt"
    path.write_text("\n".join(small_plant.container_ids[:150]) + "\n", encoding="utf-8-sig")
    return path


def run(
    url: str, folder: Path, *arguments: object, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=child_env({"trace_url": url}),
        cwd=folder,
        input=stdin if stdin is not None else "",
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_trace_is_written_as_parquet_a_file_a_domain(stack: Stack, ids: Path, tmp_path: Path) -> None:
    done = run(stack.url, tmp_path, "trace", "-f", ids, "-d", "history", "-d", "rejects", "-o", "out.parquet")
    assert done.returncode == 0, done.stderr
    assert "wrote out.history.parquet" in done.stderr
    history = pl.read_parquet(tmp_path / "out.history.parquet")
    assert f"{history.height:,}" in done.stderr
    assert history.schema["TRACKINQTY"] == pl.Decimal(38, 10)
    assert duckdb.read_parquet(f"{tmp_path}/out.rejects.parquet").shape[0] > 0
    assert not list(tmp_path.glob("*.part"))


def _holds_in(plant: Plant, count: int) -> int:
    """Counted in the plant itself."""
    with duckdb.connect(str(plant.path), read_only=True) as con:
        table = "SELECT count(*) FROM DWH.DW_MES_HOLDRELEASEHISTORY WHERE list_contains(?, trim(CONTAINERID))"
        found = con.execute(table, [list(plant.container_ids[:count])]).fetchone()
    return int(found[0]) if found else -1


@pytest.mark.parametrize("ending", ["csv", "ndjson", "arrow", "xlsx"])
def test_the_ending_says_the_format(
    stack: Stack, small_plant: Plant, ids: Path, tmp_path: Path, ending: str
) -> None:
    done = run(stack.url, tmp_path, "trace", "-f", ids, "-d", "holds", "-o", f"out.{ending}", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    path = tmp_path / f"out.{ending}"
    readers: dict[str, Callable[[Path], int]] = {
        "csv": lambda path: pl.read_csv(path).height,
        "ndjson": lambda path: pl.read_ndjson(path).height,
        "arrow": lambda path: pl.read_ipc(path).height,
        "xlsx": lambda path: openpyxl.load_workbook(path)["holds"].max_row - 1,
    }
    assert readers[ending](path) == _holds_in(small_plant, 150)


def test_ids_come_from_standard_input_and_records_go_to_standard_output(
    stack: Stack, small_plant: Plant, tmp_path: Path
) -> None:
    text = ", ".join(small_plant.container_ids[:3])
    done = run(stack.url, tmp_path, "trace", "-d", "history", "-d", "holds", "-o", "-", stdin=text)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert {record["domain"] for record in records} <= {"history", "holds"}
    assert {record["CONTAINERID"] for record in records} <= set(small_plant.container_ids[:3])
    one = run(stack.url, tmp_path, "trace", "-d", "history", "-o", "-", "-q", small_plant.container_ids[0])
    assert next(iter(json.loads(one.stdout.splitlines()[0]))) == "CONTAINERID"


def test_a_zip_holds_a_file_a_domain(stack: Stack, ids: Path, tmp_path: Path) -> None:
    done = run(stack.url, tmp_path, "trace", "-f", ids, "-o", "all.zip", "--format", "parquet")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.testzip() is None
        assert [name.removeprefix("all_").removesuffix(".parquet") for name in archive.namelist()] == [
            "history", "materials", "rejects", "holds", "jobs",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--lot", "*"], 2, "INVALID_PARAMS"),
        (["--profile", "nothing", "a"], 2, "INVALID_PARAMS"),
        (["a", "--lot", "b"], 2, "one way"),
        (["a", "-o", "out.pdf"], 2, ".pdf is none of"),
        (["-f", "missing.txt"], 2, "cannot be read"),
        (["--job", "trace-evt-unknown"], 2, "JOB_NOT_FOUND"),
        (["a", "-o", "no/such/folder.csv"], 2, "cannot be written"),
        (["a", "--url", "http://127.0.0.1:9"], 5, "does not answer"),
    ],
)
def test_what_goes_wrong_is_a_line_and_a_code(
    stack: Stack, tmp_path: Path, arguments: list[str], code: int, told: str
) -> None:
    done = run(stack.url, tmp_path, "trace", *arguments)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_jobs_are_listed_shown_and_cancelled(stack: Stack, ids: Path, tmp_path: Path) -> None:
    done = run(stack.url, tmp_path, "trace", "-f", ids, "-d", "jobs", "--fresh")
    job_id = done.stderr.split()[-1]
    assert job_id in run(stack.url, tmp_path, "jobs").stdout
    found = json.loads(run(stack.url, tmp_path, "jobs", "--json").stdout)["jobs"]
    assert job_id in [job["job_id"] for job in found]
    shown = run(stack.url, tmp_path, "status", job_id, "--watch")
    assert (shown.returncode, shown.stdout.split(",")[0]) == (0, "finished")
    again = run(stack.url, tmp_path, "trace", "--job", job_id, "-o", "again.csv")
    assert again.returncode == 0, again.stderr
    assert run(stack.url, tmp_path, "cancel", job_id).stdout == f"{job_id}: finished, now freed\n"
    gone = run(stack.url, tmp_path, "status", job_id)
    assert (gone.returncode, "JOB_NOT_FOUND" in gone.stderr) == (2, True)


def started(slow: Stack, folder: Path, **options: Any) -> subprocess.Popen[bytes]:
    ids = ",".join(slow.plant.container_ids) if slow.plant else ""
    (folder / "all.txt").write_text(ids)
    arguments = ["trace", "-f", "all.txt", "-d", "history", "--fresh", "-o", "out.csv"]
    process = subprocess.Popen(
        [*COMMAND, *arguments], env=child_env({"trace_url": slow.url}), cwd=folder, **options
    )
    wait_for((folder / "out.csv.part").exists, timeout=60, message="records arrive")
    return process


def test_interrupted_it_leaves_the_job_and_says_how_to_go_on(slow: Stack, tmp_path: Path) -> None:
    process = started(slow, tmp_path, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"tracesvc trace --job trace-evt-" in told
    assert not list(tmp_path.glob("out.csv*"))
    job_id = told.split(b"--job ")[1].split()[0].decode()
    assert run(slow.url, tmp_path, "status", job_id).stdout.startswith("running")
    assert run(slow.url, tmp_path, "cancel", job_id).returncode == 0


def test_on_a_terminal_it_asks_once_whether_to_cancel_the_job(slow: Stack, tmp_path: Path) -> None:
    near, far = pty.openpty()
    process = started(slow, tmp_path, stdin=far, stdout=far, stderr=far)
    os.close(far)
    process.send_signal(signal.SIGINT)
    told = b""
    while b"[y/N]" not in told:
        told += os.read(near, 4096)
    os.write(near, b"y\n")
    while b"cancelled trace-evt-" not in told:
        told += os.read(near, 4096)
    assert process.wait(60) == 130
    os.close(near)
    assert "records" in told.decode()
    job_id = told.split(b"cancelled ")[1].split()[0].decode()
    assert run(slow.url, tmp_path, "status", job_id).returncode == 2


def test_a_reader_that_leaves_ends_it_quietly(stack: Stack, ids: Path, tmp_path: Path) -> None:
    command = f"{' '.join(COMMAND)} trace -f {ids} -q -o - | head -c 10; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        env=child_env({"trace_url": stack.url}),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (done.stdout[:9], done.stderr) == (b'{"domain"', b"")
    assert done.returncode in {0, 141}
