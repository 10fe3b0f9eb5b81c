"""The test server is one for the driver: sign-in, statements, fetches, errors and breaks."""

# ruff: noqa: DTZ001 - the plant's times have no zone

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

import oracledb
import pytest

from tests.oracle_wire import OracleServer
from tests.support import wait_for

ROWS: Final = 12_000
SETUP: Final = f"""
CREATE TABLE DWH.LONG_TABLE AS
SELECT i AS N, CAST(i % 7 AS DECIMAL(10, 2)) AS Q, '晶圓' || (i // 50) AS S,
    TIMESTAMP '2026-01-01' + to_seconds(i) AS D
FROM range({ROWS}) t(i);
"""
ALL: Final = "SELECT t.N, t.Q, t.S, t.D FROM DWH.LONG_TABLE t ORDER BY 1"
RELEASES: Final = ("19c", "23ai", "23ai-slow")


@pytest.fixture(scope="module", params=RELEASES)
def wire(make_server: Callable[..., OracleServer], request: pytest.FixtureRequest) -> OracleServer:
    return make_server(release=request.param, setup=SETUP)


@pytest.fixture
def connection(wire: OracleServer) -> Iterator[oracledb.Connection]:
    wire.rules()
    with oracledb.connect(**wire.connect_args) as found:
        yield found


def rows(connection: oracledb.Connection, sql: str, size: int, **binds: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.arraysize = cursor.prefetchrows = size
        cursor.execute(sql, binds)
        return list(cursor)


@pytest.mark.parametrize("size", [1000, 3000, 20_000])
def test_rows_come_whole_and_in_order_over_many_round_trips(
    connection: oracledb.Connection, size: int
) -> None:
    found = rows(connection, ALL, size)
    assert [row[0] for row in found] == list(range(ROWS))
    assert found[-1] == (ROWS - 1, (ROWS - 1) % 7, f"晶圓{(ROWS - 1) // 50}", datetime(2026, 1, 1, 3, 19, 59))


def test_frames_hold_the_same(connection: oracledb.Connection) -> None:
    counts = [frame.num_rows() for frame in connection.fetch_df_batches(ALL, size=5000)]
    assert counts == [5000, 5000, 2000]


def test_values_are_bound_and_lists_are_limited(connection: oracledb.Connection) -> None:
    sql = "SELECT t.N FROM DWH.LONG_TABLE t WHERE t.N IN (:a, :b) AND t.D > :d ORDER BY 1"
    assert rows(connection, sql, 10, a=5, b=7, d=datetime(2026, 1, 1)) == [(5,), (7,)]
    names = ", ".join(f":b{place}" for place in range(1001))
    with pytest.raises(oracledb.Error, match="ORA-01795"):
        rows(
            connection,
            f"SELECT t.N FROM DWH.LONG_TABLE t WHERE t.N IN ({names})",
            10,
            **{f"b{p}": p for p in range(1001)},
        )


def test_a_session_goes_on_after_an_error(connection: oracledb.Connection) -> None:
    for sql, code in (
        ("SELECT x.A FROM DWH.NOWHERE x", "ORA-00942"),
        ("SELECT t.A FROM DWH.LONG_TABLE t", "ORA-00904"),
    ):
        with pytest.raises(oracledb.Error, match=code):
            rows(connection, sql, 10)
    connection.ping()


def test_a_wrong_password_and_an_unknown_service_are_refused(wire: OracleServer) -> None:
    with pytest.raises(oracledb.Error, match="ORA-01017"):
        oracledb.connect(**{**wire.connect_args, "password": "wrong"})
    with pytest.raises(oracledb.Error, match="DPY-6001"):
        oracledb.connect(**{**wire.connect_args, "dsn": f"127.0.0.1:{wire.port}/NOWHERE"})


def test_a_statement_is_broken_off_from_another_thread(
    wire: OracleServer, connection: oracledb.Connection
) -> None:
    wire.rules(statements=[{"kind": "stall"}])
    caught: list[BaseException] = []

    def ask() -> None:
        try:
            rows(connection, ALL, 1000)
        except oracledb.Error as error:
            caught.append(error)

    before = wire.count("stall")
    thread = threading.Thread(target=ask)
    thread.start()
    wait_for(lambda: wire.count("stall") > before, timeout=30, message="the statement stalls")
    connection.cancel()
    thread.join(30)
    wire.rules()
    assert "ORA-01013" in str(caught[0])
    assert rows(connection, "SELECT 1 AS A FROM DUAL", 10) == [(1,)]


def test_the_drivers_own_time_limit_breaks_a_statement_off(
    wire: OracleServer, connection: oracledb.Connection
) -> None:
    wire.rules(statements=[{"kind": "stall", "times": 1}])
    connection.call_timeout = 100
    with pytest.raises(oracledb.Error, match="DPY-4024"):
        rows(connection, ALL, 1000)


async def test_the_asynchronous_driver_reads_the_same_rows(wire: OracleServer) -> None:
    wire.rules()
    async with oracledb.connect_async(**wire.connect_args) as connection:
        with connection.cursor() as cursor:
            cursor.arraysize = 5000
            await cursor.execute(ALL)
            found = await cursor.fetchall()
    assert [row[0] for row in found] == list(range(ROWS))


def test_what_repeats_is_left_out_as_a_real_server_does(connection: oracledb.Connection) -> None:
    sql = "SELECT t.S, t.N FROM DWH.LONG_TABLE t WHERE t.N < 50 ORDER BY 2"
    assert {row[0] for row in rows(connection, sql, 7)} == {"晶圓0"}
