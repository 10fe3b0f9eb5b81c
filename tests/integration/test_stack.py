"""`tracesvc up` and `tracesvc demo` as people run them: real processes, started and ended every way."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support import wait_until

READY = "tracesvc is ready at "
START_SECONDS = 60
QUESTION = {"profile": "query_tool", "container_ids": ["0000000000000000"]}
AS_A_NEW_JOB = {"Prefer": "respond-async", "Cache-Control": "no-cache"}


class Command:
    """A running `tracesvc` command; its standard output line by line."""

    def __init__(self, *arguments: str, folder: Path, **variables: str) -> None:
        env = {**os.environ, "TRACE_DATA_DIR": str(folder / "data"), "TMPDIR": str(folder), **variables}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tracesvc", *arguments],
            env=env,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.errors: list[str] = []
        self._readers = [threading.Thread(target=read) for read in (self._read_lines, self._read_errors)]
        for reader in self._readers:
            reader.start()

    def _read_lines(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.put(line.rstrip("\n"))

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            self.errors.extend(lines)

    def url(self) -> str:
        """Where it serves, once it said so."""
        line = self.lines.get(timeout=START_SECONDS)
        assert line.startswith(READY), line
        return line.removeprefix(READY)

    def family(self) -> list[psutil.Process]:
        """Every process below it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def wait(self) -> int:
        """Its exit code, when it and its output have ended."""
        code = self.process.wait(START_SECONDS)
        for reader in self._readers:
            reader.join()
        return code


@contextlib.contextmanager
def running(*arguments: str, folder: Path, **variables: str) -> Iterator[Command]:
    command = Command(*arguments, folder=folder, **variables)
    try:
        yield command
    finally:
        command.process.kill()
        command.wait()


def named(family: list[psutil.Process], word: str) -> psutil.Process:
    """The process that runs a part: not its tether, which has the same words behind its own."""
    for process in family:
        names = [Path(each.split(" ")[0]).name for each in process.cmdline() if each]
        if "tether.py" not in names and word in names:
            return process
    raise AssertionError(f"no {word} among {[process.cmdline() for process in family]}")


def sweep(family: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_up_serves_and_leaves_nothing_behind_when_asked_to_end(
    tmp_path: Path, number: signal.Signals
) -> None:
    with running("up", "--port", "0", folder=tmp_path) as command:
        url = command.url()
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            assert (await client.get("/readyz")).status_code == 200
            assert (await client.get("/livez")).status_code == 200
        family = command.family()
        command.process.send_signal(number)
        assert command.wait() == 0
        assert sweep(family) == []
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


async def test_up_that_is_killed_takes_every_process_with_it(tmp_path: Path) -> None:
    with running("up", "--port", "0", folder=tmp_path) as command:
        command.url()
        family = command.family()
        assert len(family) >= 6
        command.process.kill()
        await wait_until(lambda: not sweep(family))


@pytest.mark.parametrize("part", ["valkey-server", "api", "worker"])
async def test_a_part_that_is_killed_comes_back_and_traces_work_again(tmp_path: Path, part: str) -> None:
    many = {"TRACE_EVENTS_RATE_LIMIT_MAX_REQUESTS": "1000000"}  # it asks until it is served
    with running("up", "--port", "0", folder=tmp_path, **many) as command:
        url = command.url()
        killed = named(command.family(), part)
        killed.kill()
        await wait_until(lambda: not killed.is_running())
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:

            async def a_job_is_taken() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    answer = await client.post("/api/trace/events", json=QUESTION, headers=AS_A_NEW_JOB)
                    status_urls.extend([answer.json()["status_url"]] if answer.status_code == 202 else [])
                return bool(status_urls)

            async def it_finishes() -> bool:
                status = await client.get(status_urls[0], params={"wait": 2})
                return bool(status.json()["status"] == "finished")

            status_urls: list[str] = []
            await wait_until(a_job_is_taken)
            await wait_until(it_finishes)


async def test_a_port_in_use_is_an_error_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for arguments in (("up",), ("api",)):
            with running(
                *arguments, "--port", port, folder=tmp_path, TRACE_SOURCE_URL="duckdb:///x"
            ) as command:
                assert command.wait() == 2
                errors = "".join(command.errors)
                assert errors.startswith(f"error: port {port} on 127.0.0.1 is in use")
                assert "--port" in errors
                assert len(command.errors) == 1


async def test_a_wrong_setting_ends_up_with_its_name_and_no_traceback(tmp_path: Path) -> None:
    with running("up", "--port", "0", folder=tmp_path, TRACE_CATALOGUE="/no/such/catalogue.yaml") as command:
        assert command.wait() == 2
        errors = "".join(command.errors)
        assert "/no/such/catalogue.yaml" in errors
        assert "Traceback" not in errors


async def test_a_mistyped_variable_is_pointed_out(tmp_path: Path) -> None:
    with running("up", folder=tmp_path, TRACE_PROT="9000", TRACE_PORT="x") as command:
        assert command.wait() == 2
        assert command.errors[0] == (
            "warning: TRACE_PROT is no setting and has no effect; did you mean TRACE_PORT?\n"
        )
        assert command.errors[1].startswith("error: TRACE_PORT: ")


async def test_the_demo_reconciles_a_small_plant_and_ends(tmp_path: Path) -> None:
    with running("demo", "--containers", "3000", "--once", "--port", "0", folder=tmp_path) as command:
        assert command.wait() == 0, "".join(command.errors)
        text = "\n".join(command.lines.queue)
    assert "Every record at the source was committed once and received once" in text
    assert text.count("equal") == 5
    assert "time to first record" in text
