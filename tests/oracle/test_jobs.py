"""Jobs on Oracle, by real workers: the same records as on DuckDB, whatever happens to the database."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from tests.asking import ended, status_of, submit
from tests.chaos.size import pick
from tests.grammar import StreamChecker, check_stream
from tests.oracle_wire import OracleServer
from tests.streams import body_of, path_of
from tests.support import Plant, Stack, wait_until
from tracesvc.line_bytes import rows_of

DOMAINS: Final = ["history", "materials", "rejects"]
SETTINGS: Final[dict[str, Any]] = {
    "trace_async_cid_threshold": 10,
    "trace_unit_cids": pick(100, 1000),
    "trace_stream_batch_size": 500,
    "db_slow_fetchmany_size": pick(200, 2000),
    "event_fetcher_cache_skip_cid_threshold": 0,
    "trace_caller_max_jobs": 1000,
    "db_slow_call_timeout_ms": pick(20_000, 60_000),
    "trace_db_sign_in_pause_seconds": 0.5,
}
COUNT: Final = pick(600, 100_000)
PATIENCE: Final = 600

pytestmark = pytest.mark.timeout(pick(120, PATIENCE))


@pytest.fixture(scope="session")
def plant(request: pytest.FixtureRequest) -> Plant:
    """2,000 containers; in full 114,000."""
    found: Plant = request.getfixturevalue(pick("small_plant", "large_plant"))
    return found


@pytest.fixture(scope="module")
def server(make_server: Callable[..., OracleServer], plant: Plant) -> OracleServer:
    return make_server(plant)


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], server: OracleServer) -> Stack:
    return stacks(None, workers=1, **server.settings, **SETTINGS)


@pytest.fixture(autouse=True)
def sound(server: OracleServer) -> Iterator[None]:
    yield
    server.rules()
    server.open()


async def trace(stack: Stack, ids: tuple[str, ...]) -> tuple[StreamChecker, dict[str, str]]:
    """A job to its end, its stream checked: grammar, counts and digests; and what its records hash to.

    Lines may be cut elsewhere where a unit was halved; the records are the same bytes.
    """
    async with stack.client() as api:
        job_id = await submit(api, ids, domains=DOMAINS)
        status = await ended(api, job_id, timeout=PATIENCE)
        assert status["status"] == "finished", status
        body = await body_of(api, job_id)
    records: dict[str, list[bytes]] = {domain: [] for domain in DOMAINS}
    for line in body.splitlines():
        if line.startswith(b'{"type":"records"'):
            records[json.loads(line)["domain"]].append(rows_of(line)[1:-1])
    return check_stream(body), {
        name: hashlib.sha256(b",".join(rows)).hexdigest() for name, rows in records.items()
    }


@pytest.fixture(scope="module")
def wanted(stacks: Callable[..., Stack], plant: Plant) -> dict[str, str]:
    """The same on the embedded source."""
    other = {name: value for name, value in SETTINGS.items() if not name.startswith("trace_db_")}
    return asyncio.run(trace(stacks(plant, workers=1, **other), plant.container_ids[:COUNT]))[1]


FAULTS: Final[dict[str, dict[str, Any]]] = {
    "none": {},
    "connections cut in an answer": {"statements": [{"kind": "drop", "after_rows": 300, "every": 5}]},
    "connections cut before one": {"statements": [{"kind": "drop", "every": 6}]},
    "a listener without room": {"statements": [{"kind": "drop", "every": 4}], "most_sessions": 2},
    "a database that restarts": {"statements": [{"kind": "error", "code": 1089, "every": 4}]},
    "too little undo": {"statements": [{"kind": "error", "code": 1555, "every": 7, "after_rows": 250}]},
    "a killed session": {"statements": [{"kind": "error", "code": 28, "every": 5, "after_rows": 100}]},
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_job_is_whole_and_exact_whatever_passes_by(
    server: OracleServer, stack: Stack, plant: Plant, wanted: dict[str, str], fault: str
) -> None:
    server.rules(**FAULTS[fault])
    before = server.report()["counts"]
    seen, found = await trace(stack, plant.container_ids[:COUNT])
    assert [domain.end["error"] for domain in seen.domains.values() if domain.end] == [None] * 3
    assert found == wanted
    assert {domain.end["status"] for domain in seen.domains.values() if domain.end} == {"ok"}
    if FAULTS[fault]:
        kind = FAULTS[fault]["statements"][0]["kind"]
        after = server.report()["counts"]
        assert after.get(f"fault:{kind}", 0) > before.get(f"fault:{kind}", 0)


async def test_a_container_that_cannot_be_read_is_counted_and_named_and_no_other(
    server: OracleServer, stack: Stack, plant: Plant
) -> None:
    ids = plant.container_ids[:COUNT:5]
    lost = ids[len(ids) // 2]
    server.rules(statements=[{"kind": "error", "code": 1722, "bind": lost}])
    seen, _ = await trace(stack, ids)
    assert seen.warning is not None
    assert seen.warning["failed"] == dict.fromkeys(DOMAINS, 1)
    ends = [domain.end for domain in seen.domains.values() if domain.end]
    assert {(end["status"], end["containers"]["failed"], end["error"]["code"]) for end in ends} == {
        ("partial", 1, "SOURCE_UNAVAILABLE")
    }


async def test_a_cancelled_job_breaks_its_statement_off(
    server: OracleServer, stack: Stack, plant: Plant
) -> None:
    stalls, breaks = server.count("stall"), server.count("break")
    server.rules(statements=[{"kind": "stall"}])
    async with stack.client() as api:
        job_id = await submit(api, plant.container_ids[:COUNT], domains=["history"])
        await wait_until(lambda: server.count("stall") > stalls)
        answer = await api.delete(path_of(job_id, "").rstrip("/"))
        assert answer.status_code in (200, 202)
    await wait_until(lambda: server.count("break") > breaks)


async def test_a_refused_password_fails_the_job_and_is_not_tried_over_and_over(
    server: OracleServer, stacks: Callable[..., Stack], plant: Plant
) -> None:
    settings = {
        **SETTINGS, **server.settings,
        "trace_db_sign_in_pause_seconds": 600, "trace_db_session_seconds": 0.000001,
    }  # fmt: skip
    stack = stacks(None, workers=1, **settings)
    before = server.count("refused")
    server.rules(refuse_login=1017)
    async with stack.client() as api:
        job_id = await submit(api, plant.container_ids[:COUNT], domains=DOMAINS)
        status = await ended(api, job_id, timeout=PATIENCE)
        assert (status["status"], status["error"]["code"]) == ("failed", "JOB_FAILED")
        assert (await status_of(api, job_id))["failed_domains"] == DOMAINS
    assert server.count("refused") - before <= 2  # the worker's and the API's


async def test_no_session_is_left_when_the_service_ends(
    server: OracleServer, stack_cache: Any, plant: Plant
) -> None:
    stack = stack_cache.fresh(None, workers=1, **server.settings, **SETTINGS)
    shared = server.sessions
    await trace(stack, plant.container_ids[:50])
    assert server.sessions > 0
    stack.stop()
    await wait_until(lambda: server.sessions <= shared)
