"""Two runs of one trace give the same lines, apart from ids and times (protocol.md, 2, rule 10)."""

from __future__ import annotations

import itertools
import random

import httpx
import pytest

from tests.grammar import DomainSeen
from tests.streams import ALL_DOMAINS, Trace, body_of, traced
from tests.support import Plant


def timeless(seen: DomainSeen) -> list[object]:
    """The records; open holds grow with the clock, so their hours are left out."""
    return [
        {**record, "HOLD_HOURS": None} if record.get("HOLD_STATUS") == "HOLD" else record
        for record in seen.records
    ]


@pytest.mark.parametrize("domain", ALL_DOMAINS)
async def test_two_runs_give_the_same_lines(
    api: httpx.AsyncClient, small_plant: Plant, whole: Trace, domain: str
) -> None:
    again = await traced(api, small_plant.container_ids, domains=[domain])
    first, second = whole.seen.domains[domain], again.seen.domains[domain]
    assert again.job_id != whole.job_id
    if domain == "holds":
        assert timeless(first) == timeless(second)
        assert first.offsets == second.offsets
    else:
        assert first.lines == second.lines
        assert first.end == second.end


async def test_records_come_in_the_order_of_the_ids_asked(api: httpx.AsyncClient, small_plant: Plant) -> None:
    """Units follow the ids; inside a unit the records are sorted (domain.md, 4)."""
    ids = list(small_plant.container_ids)
    random.Random(5).shuffle(ids)
    trace = await traced(api, ids, domains=["history"])
    place = {container: number for number, container in enumerate(ids)}
    places = [place[record["CONTAINERID"]] for record in trace.seen.domains["history"].records]
    assert all(later > earlier - 1000 for earlier, later in itertools.pairwise(places))


async def test_reading_twice_gives_the_same_bytes(api: httpx.AsyncClient, whole: Trace) -> None:
    assert await body_of(api, whole.job_id) == whole.body
