"""Sessions: used again while sound, dropped when not; statements broken off; sign-ins not hammered."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.chaos.size import pick
from tests.oracle_wire import OracleServer
from tests.parts import free_port
from tests.support import wait_until
from tracesvc.errors import SourceConfigError, SourceTimeout, SourceTooLarge, SourceUnavailable, TraceError
from tracesvc.sources.base import CatalogueMismatch, NotAllowed, SignInRefused, ValueRefused
from tracesvc.sources.oracle.source import OracleSource
from tracesvc.telemetry import current_job

SETUP: Final = "CREATE TABLE DWH.ROWS_ AS SELECT i AS K FROM range(20000) t(i)"
ALL: Final = "SELECT r.K FROM DWH.ROWS_ r ORDER BY 1"
Make = Callable[..., OracleSource]


@pytest.fixture(scope="module", params=pick(["19c"], ["19c", "23ai"]))
def tables(make_server: Callable[..., OracleServer], request: pytest.FixtureRequest) -> OracleServer:
    return make_server(release=request.param, setup=SETUP)


@pytest.fixture(autouse=True)
def sound(tables: OracleServer) -> None:
    tables.rules()
    tables.open()


async def count(source: OracleSource, size: int = 5000) -> int:
    return sum([batch.num_rows async for batch in source.batches(ALL, {}, batch_size=size)])


async def test_a_session_is_used_again_and_says_who_asks(tables: OracleServer, opened: Make) -> None:
    source, before = opened(tables.settings), tables.count("login")
    token = current_job.set("trace-evt-1")
    assert [await count(source) for _ in range(3)] == [20_000] * 3
    current_job.reset(token)
    assert tables.count("login") == before + 1
    assert {"module": "tracesvc", "client_identifier": "trace-evt-1"}.items() <= tables.report()["tags"][
        -1
    ].items()
    assert any("NLS_SORT" in detail for _, event, detail in tables.report()["events"] if event == "command")


async def test_cursors_are_closed_before_the_garbage_collector_finds_them(
    tables: OracleServer, opened: Make
) -> None:
    """One that is collected in a call of its own connection would wait for itself."""
    source, before = opened(tables.settings), gc.get_threshold()
    gc.set_threshold(1)
    try:
        async with asyncio.timeout(60):
            for _ in range(5):
                stream = source.batches(ALL, {}, batch_size=20_000)
                assert (await anext(stream)).num_rows == 20_000
                await stream.aclose()
    finally:
        gc.set_threshold(*before)


async def test_closing_signs_every_session_out(tables: OracleServer, opened: Make) -> None:
    source = opened(tables.settings)
    await asyncio.gather(*(count(source) for _ in range(5)))
    assert 0 < tables.sessions <= 5
    await source.close()
    await tables.no_session_left()
    with pytest.raises(SourceUnavailable):
        await source.ping()


async def test_a_cancelled_statement_is_broken_off_at_the_database(
    tables: OracleServer, opened: Make
) -> None:
    source, before = opened(tables.settings), tables.count("break")
    tables.rules(statements=[{"kind": "stall"}])
    task = asyncio.create_task(count(source))
    stalls = tables.count("stall")
    await wait_until(lambda: tables.count("stall") > stalls - 1 and not task.done() and tables.count("stall"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tables.count("break") == before + 1
    tables.rules()
    assert await count(source) == 20_000


async def test_an_iterator_closed_early_breaks_off_what_is_being_read_ahead(
    tables: OracleServer, opened: Make
) -> None:
    source = opened(tables.settings)
    tables.rules(statements=[{"kind": "stall", "after_rows": 200}])
    before = tables.count("break"), tables.count("stall")
    stream = source.batches(ALL, {}, batch_size=100)
    assert (await anext(stream)).num_rows == 100
    await wait_until(lambda: tables.count("stall") > before[1])
    await stream.aclose()
    assert tables.count("break") == before[0] + 1


async def test_a_statement_beyond_its_time_is_broken_off_and_its_session_dropped(
    tables: OracleServer, opened: Make
) -> None:
    source = opened(tables.settings, db_slow_call_timeout_ms=300)
    tables.rules(statements=[{"kind": "stall", "times": 1}])
    ends = tables.count("end")
    with pytest.raises(SourceTimeout):
        await count(source)
    await wait_until(lambda: tables.count("end") > ends)
    await source.ping()


async def test_a_database_that_ignores_breaks_costs_a_session_not_the_process(
    make_server: Callable[..., OracleServer], opened: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracesvc.sources.oracle.reading._LET_GO_SECONDS", 0.3)
    server = make_server(setup=SETUP)
    source = opened(server.settings, db_slow_call_timeout_ms=30_000)
    server.rules(statements=[{"kind": "stall", "deaf": True, "times": 1}])
    task = asyncio.create_task(count(source))
    await wait_until(lambda: server.count("stall"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(source) == 20_000


@pytest.mark.parametrize("after_rows", [0, 5000])
async def test_a_connection_cut_in_a_statement_is_a_passing_error(
    tables: OracleServer, opened: Make, after_rows: int
) -> None:
    source = opened(tables.settings)
    tables.rules(statements=[{"kind": "drop", "after_rows": after_rows, "times": 1}])
    with pytest.raises(SourceUnavailable) as caught:
        await count(source, 1000)
    assert caught.value.remedy == "again"
    assert await count(source) == 20_000


@pytest.mark.parametrize(
    ("code", "kind", "remedy"),
    [
        (1555, SourceTooLarge, "split"), (4031, SourceTooLarge, "split"), (1722, ValueRefused, "split"),
        (3113, SourceUnavailable, "again"), (12805, TraceError, "none"), (942, CatalogueMismatch, "none"),
        (1031, NotAllowed, "none"), (1013, SourceTimeout, "split"), (8103, SourceUnavailable, "again"),
    ],
)  # fmt: skip
async def test_a_code_says_what_helps_and_shows_nothing(
    tables: OracleServer, opened: Make, code: int, kind: type[TraceError], remedy: str
) -> None:
    source = opened(tables.settings)
    tables.rules(statements=[{"kind": "error", "code": code, "times": 1}])
    with pytest.raises(kind) as caught:
        await count(source)
    assert caught.value.remedy == remedy
    assert not any(
        word in caught.value.detail for word in ("SELECT r", "ROWS_", "fault", "tiger", "127.0.0.1")
    )
    assert await count(source) == 20_000


async def test_a_refused_password_is_tried_once_and_then_not_for_a_while(
    tables: OracleServer, opened: Make
) -> None:
    source = opened({**tables.settings, "db_password": "wrong"})
    before = tables.count("login")
    for _ in range(5):
        with pytest.raises(SignInRefused) as caught:
            await count(source)
        assert "wrong" not in caught.value.detail
    with pytest.raises(SignInRefused, match="next sign-in"):
        await source.ping()
    assert tables.count("login") == before + 1


async def test_sign_ins_are_tried_again_after_the_pause(tables: OracleServer, opened: Make) -> None:
    source = opened(tables.settings, trace_db_sign_in_pause_seconds=0.2)
    tables.rules(refuse_login=28000)
    with pytest.raises(SignInRefused, match="locked"):
        await count(source)
    tables.rules()

    async def answers() -> bool:
        with contextlib.suppress(SignInRefused):
            await source.ping()
            return True
        return False

    await wait_until(answers)


@pytest.mark.parametrize(
    "rules", [{"refuse_connect": 12514}, {"refuse_connect": 12519}, {"most_sessions": 1}]
)
async def test_a_database_that_has_no_room_or_is_not_open_is_away(
    tables: OracleServer, opened: Make, rules: dict[str, Any]
) -> None:
    other = opened(tables.settings)
    await other.ping()
    tables.rules(**rules)
    with pytest.raises(SourceUnavailable):
        await opened(tables.settings).ping()


async def test_nothing_that_listens_is_away_and_comes_back(tables: OracleServer, opened: Make) -> None:
    with pytest.raises(SourceUnavailable, match="DB_HOST"):
        await opened({**tables.settings, "db_port": free_port()}).ping()
    source = opened(tables.settings)
    tables.shut()
    with pytest.raises(SourceUnavailable):
        await source.ping()
    tables.open()
    await source.ping()


async def test_a_listener_that_hangs_is_given_up_by_our_own_clock(tables: OracleServer, opened: Make) -> None:
    source = opened(tables.settings, trace_db_connect_seconds=0.3, trace_db_pool_size=2)
    tables.rules(hang_connect=True)
    before = tables.count("connect")
    for _ in range(4):
        with pytest.raises(SourceUnavailable):
            await source.ping()
    assert tables.count("connect") <= before + 2  # as many as there may be sessions, and no more hang about


async def test_an_idle_session_that_died_is_replaced(tables: OracleServer, opened: Make) -> None:
    source = opened(tables.settings, trace_db_ping_seconds=0.000001)
    assert await count(source) == 20_000
    tables.rules(most_sessions=0)
    logins = tables.count("login")
    (session,) = source._pool._idle
    implementation: Any = session.connection._impl
    implementation.terminate()
    assert await count(source) == 20_000
    assert tables.count("login") == logins + 1


async def test_a_session_that_is_old_is_replaced(tables: OracleServer, opened: Make) -> None:
    source, logins = opened(tables.settings, trace_db_session_seconds=0.000001), tables.count("login")
    assert [await count(source) for _ in range(2)] == [20_000] * 2
    assert tables.count("login") == logins + 2


async def test_who_waits_for_a_session_waits_its_turn_then_is_told(
    tables: OracleServer, opened: Make
) -> None:
    source = opened(tables.settings, trace_db_pool_size=1)
    assert await asyncio.gather(*(count(source) for _ in range(4))) == [20_000] * 4
    impatient = opened(tables.settings, trace_db_pool_size=1, trace_db_pool_wait_seconds=0.05)
    stream = impatient.batches(ALL, {}, batch_size=10)
    await anext(stream)
    with pytest.raises(SourceUnavailable, match="TRACE_DB_POOL_SIZE"):
        await count(impatient)
    await impatient.ping()  # a database whose sessions all work answers
    await stream.aclose()


async def test_closing_the_source_ends_what_runs(tables: OracleServer, opened: Make) -> None:
    source = opened(tables.settings)
    tables.rules(statements=[{"kind": "stall"}])
    task = asyncio.create_task(count(source))
    stalls = tables.count("stall")
    await wait_until(lambda: tables.count("stall") >= max(1, stalls))
    await source.close()
    with pytest.raises(SourceUnavailable):
        await task


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"db_host": ""}, "DB_HOST"), ({"db_user": ""}, "DB_USER"), ({"db_password": ""}, "DB_PASSWORD"),
        ({"db_dsn": "(DESCRIPTION=("}, "DB_DSN"), ({"trace_source_url": "oracle://h:1/s"}, "DB_SERVICE"),
    ],
)  # fmt: skip
def test_settings_that_name_no_database_refuse_the_start(
    tables: OracleServer, opened: Make, changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(SourceConfigError, match=told) as caught:
        opened({**tables.settings, **changed})
    assert "tiger" not in caught.value.detail


async def test_a_whole_connect_string_and_a_name_from_a_folder_lead_there_too(
    tables: OracleServer, opened: Make, tmp_path: Any
) -> None:
    base = {
        name: value
        for name, value in tables.settings.items()
        if name not in ("db_host", "db_port", "db_service")
    }
    await opened({**base, "db_dsn": f"127.0.0.1:{tables.port}/PLANT"}).ping()
    described = (
        f"(DESCRIPTION=(ADDRESS=(PROTOCOL=tcp)(HOST=127.0.0.1)(PORT={tables.port}))"
        "(CONNECT_DATA=(SERVICE_NAME=PLANT)))"
    )
    (tmp_path / "tnsnames.ora").write_text(f"WAREHOUSE = {described}\n")
    await opened({**base, "db_dsn": "WAREHOUSE", "db_wallet_dir": str(tmp_path)}).ping()
