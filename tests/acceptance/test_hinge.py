"""A factory that was not made for this service: whole, every domain, against plain SQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.asking import submit
from tests.grammar import StreamChecker
from tests.plain import PlainPlant, Reconciliation
from tests.streams import ALL_DOMAINS, as_of, path_of
from tests.support import Plant, Stack

HINGE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "hinge"


@pytest.fixture(scope="module")
def hinge() -> Plant:
    """The hinge factory of `../shared/data/hinge`: 23,852 containers, one Parquet file a table."""
    if not HINGE.is_dir():
        pytest.skip(f"the hinge factory is not on this machine ({HINGE})")
    with duckdb.connect() as con:
        file = HINGE / "DW_MES_CONTAINER.parquet"
        rows = con.execute(f"SELECT trim(CONTAINERID) FROM '{file}' ORDER BY 1").fetchall()
    return Plant(HINGE, tuple(row[0] for row in rows))


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], hinge: Plant) -> Stack:
    return stacks(hinge, workers=1)


async def test_the_hinge_factory_is_traced_whole_in_every_domain(stack: Stack, hinge: Plant) -> None:
    """Coils of 1,478 rows each, rows without equipment or track-out, fractions, no holds, no jobs."""
    plain = PlainPlant(hinge.path, hinge.container_ids)
    async with stack.client() as api:
        job_id = await submit(api, hinge.container_ids, domains=list(ALL_DOMAINS))
        checker, rest = StreamChecker(keep=False), b""
        checks: dict[str, Reconciliation] = {}
        async with api.stream("GET", path_of(job_id)) as response:
            async for piece in response.aiter_bytes():
                *lines, rest = (rest + piece).split(b"\n")
                for line in map(checker.feed, (line + b"\n" for line in lines)):
                    if line["type"] == "domain_start":
                        name = line["domain"]
                        checks[name] = Reconciliation(plain, name, as_of(checker.meta))
                    elif line["type"] == "records":
                        checks[line["domain"]].feed(line["data"])
        checker.close()
    for check in checks.values():
        check.close()
    counts = {name: check.seen for name, check in checks.items()}
    assert counts == {name: plain.count(name) for name in ALL_DOMAINS}
    assert (counts["holds"], counts["jobs"], counts["rejects"]) == (0, 0, 10)
    plain.close()
