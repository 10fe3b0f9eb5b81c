"""Seeds, lineage and the analysis on Oracle are, value for value, what the embedded source gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import duckdb
import httpx
import pytest

from tests.asking import ASYNC
from tests.grammar import check_stream
from tests.oracle_wire import OracleServer
from tests.streams import body_of
from tests.support import Plant, Stack

MSD: Final = "mid_section_defect"
SETTINGS: Final[dict[str, Any]] = {"event_fetcher_cache_skip_cid_threshold": 0, "trace_caller_max_jobs": 1000}
ROUTES: Final = {"seeds": "/api/trace/seed-resolve", "lineage": "/api/trace/lineage", "": "/api/trace/events"}

# How names are found: profile, resolve type, and the plant's names of that kind.
KINDS: Final = {
    "lot_id": ("query_tool", "SELECT CONTAINERNAME FROM DWH.DW_MES_CONTAINER"),
    "wafer_lot": ("query_tool", "SELECT FIRSTNAME FROM DWH.DW_MES_CONTAINER"),
    "work_order": (
        "query_tool",
        "SELECT MFGORDERNAME FROM DWH.DW_MES_CONTAINER WHERE MFGORDERNAME NOT LIKE 'GD%'",
    ),
    "gd_work_order": (
        "query_tool_reverse",
        "SELECT MFGORDERNAME FROM DWH.DW_MES_CONTAINER WHERE MFGORDERNAME LIKE 'GD%'",
    ),
    "gd_lot_id": (
        "query_tool_reverse",
        "SELECT CONTAINERNAME FROM DWH.DW_MES_CONTAINER WHERE MFGORDERNAME LIKE 'GD%'",
    ),
    "serial_number": ("query_tool_reverse", "SELECT FINISHEDNAME FROM DWH.DW_MES_PJ_COMBINEDASSYLOTS"),
}


@pytest.fixture(scope="module")
def on_oracle(stacks: Callable[..., Stack], server: OracleServer) -> Stack:
    return stacks(None, workers=1, **server.settings, **SETTINGS)


@pytest.fixture(scope="module")
def embedded(stacks: Callable[..., Stack], plant: Plant) -> Stack:
    return stacks(plant, workers=1, **SETTINGS)


def names(plant: Plant, sql: str) -> list[str]:
    """A few names with what else they have, and a pattern that finds many."""
    with duckdb.connect(str(plant.path), read_only=True) as con:
        rows = con.execute(f"SELECT DISTINCT trim(n) FROM ({sql}) t(n) ORDER BY 1").fetchall()
    known = [row[0] for row in rows if row[0]]
    return [*known[:: max(1, len(known) // 5)], f"{known[0][:-1]}*", f"{known[-1][:-1]}_", "NOTHING-OF-THIS"]


async def asked(stack: Stack, what: str, body: dict[str, Any]) -> dict[str, Any]:
    async with stack.client() as api:
        answer = await api.post(ROUTES[what], json=body)
        assert answer.status_code == httpx.codes.OK, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.mark.parametrize("kind", KINDS)
async def test_names_lead_to_the_same_seeds(
    on_oracle: Stack, embedded: Stack, plant: Plant, kind: str
) -> None:
    profile, sql = KINDS[kind]
    body = {"profile": profile, "params": {"resolve_type": kind, "values": names(plant, sql)}}
    found = await asked(on_oracle, "seeds", body)
    assert found == await asked(embedded, "seeds", body)
    assert found["seed_count"] >= 2
    assert "NOTHING-OF-THIS" in found["not_found"]


@pytest.mark.parametrize("direction", ["forward", "backward"])
async def test_lineages_are_the_same(on_oracle: Stack, embedded: Stack, plant: Plant, direction: str) -> None:
    ids = plant.container_ids[::40]
    body = {"profile": "query_tool", "container_ids": ids, "params": {"direction": direction}}
    found = await asked(on_oracle, "lineage", body)
    assert found == await asked(embedded, "lineage", body)
    assert found["total_nodes"] > len(ids)


@pytest.mark.parametrize("direction", ["forward", "backward"])
async def test_an_analysis_is_the_same_from_the_seeds_to_the_last_number(
    on_oracle: Stack, embedded: Stack, direction: str
) -> None:
    params = {"start_date": "2025-09-01", "end_date": "2025-10-31", "direction": direction}
    both = []
    for stack in (on_oracle, embedded):
        async with stack.client() as api:
            answer = await api.post(ROUTES[""], json={"profile": MSD, "params": params}, headers=ASYNC)
            assert answer.status_code == httpx.codes.ACCEPTED, answer.text
            seen = check_stream(await body_of(api, answer.json()["job_id"]))
        counts = {name: domain.end and domain.end["count"] for name, domain in seen.domains.items()}
        both.append((seen.extras, counts))
    assert both[0] == both[1]
    extras, counts = both[0]
    assert set(extras) == {"seeds", "lineage", "aggregation"}
    assert extras["aggregation"]["daily_trend"]
    assert all(counts.values())
