"""The tutorial: ask, follow, go on after a cut, page, take it whole, cancel. A test is a client's program."""

from __future__ import annotations

import json

import httpx

from tests.support import Plant


async def test_ask_about_a_few_containers(api: httpx.AsyncClient, small_plant: Plant) -> None:
    """A small question is answered at once, as one JSON document."""
    answer = await api.post(
        "/api/trace/events",
        json={
            "profile": "query_tool",
            "container_ids": small_plant.container_ids[:10],
            "domains": ["history"],
        },
    )
    assert answer.status_code == 200
    history = answer.json()["results"]["history"]
    assert history["count"] == len(history["data"])
    assert {"CONTAINERID", "WORKCENTERNAME", "TRACKINTIMESTAMP"} <= set(history["data"][0])


async def test_ask_about_many_and_follow_the_stream(api: httpx.AsyncClient, small_plant: Plant) -> None:
    """A large question becomes a job; its stream brings records while they are read."""
    question = {"profile": "query_tool", "container_ids": small_plant.container_ids}
    job = (await api.post("/api/trace/events", json=question)).json()
    assert job["async"]

    records = 0
    async with api.stream("GET", job["stream_url"]) as stream:
        async for text in stream.aiter_lines():
            line = json.loads(text)
            if line["type"] == "records":
                records += line["count"]
    assert line["type"] == "complete", "a stream that ends otherwise was cut"
    assert line["total_records"] == records > 20_000


async def test_watch_a_job_without_its_records(api: httpx.AsyncClient, small_plant: Plant) -> None:
    """`wait` holds the answer until something changes: no need to ask again and again."""
    question = {"profile": "query_tool_reverse", "container_ids": small_plant.container_ids}
    job = (await api.post("/api/trace/events", json=question)).json()
    status = (await api.get(job["status_url"])).json()
    while status["status"] in ("queued", "running"):
        status = (await api.get(job["status_url"], params={"wait": 10})).json()
    assert status["status"] == "finished"
    assert status["progress"]["percent"] == 100


async def test_go_on_after_the_connection_was_cut(api: httpx.AsyncClient, small_plant: Plant) -> None:
    """Remember the last whole line: `after=domain:batch` asks for what follows, on any API process."""
    question = {
        "profile": "query_tool",
        "container_ids": small_plant.container_ids[:500],
        "domains": ["history"],
    }
    job = (await api.post("/api/trace/events", json=question)).json()

    received, cursor = [], ""
    async with api.stream("GET", job["stream_url"]) as stream:
        async for text in stream.aiter_lines():
            line = json.loads(text)
            if line["type"] == "records":
                received += line["data"]
                cursor = f"{line['domain']}:{line['batch']}"
                break  # the cut

    async with api.stream("GET", job["stream_url"], params={"after": cursor}) as stream:
        async for text in stream.aiter_lines():
            line = json.loads(text)
            if line["type"] == "records":
                received += line["data"]
    assert line["domains"] == {"history": len(received)}


async def test_page_through_a_domain(api: httpx.AsyncClient, small_plant: Plant) -> None:
    """Pages cost what they hold, at any offset; `next_offset` leads on."""
    question = {
        "profile": "query_tool",
        "container_ids": small_plant.container_ids[:300],
        "domains": ["materials"],
    }
    job = (await api.post("/api/trace/events", json=question)).json()

    received = 0
    offset: int | None = 0
    while offset is not None:
        page = (
            await api.get(job["result_url"], params={"domain": "materials", "offset": offset, "limit": 400})
        ).json()
        received += page["count"]
        offset = page["next_offset"]
    assert page["complete"]
    assert received == page["total"]


async def test_take_the_result_whole(api: httpx.AsyncClient, small_plant: Plant) -> None:
    """When the job has finished, its result is also there as one document."""
    question = {
        "profile": "query_tool",
        "container_ids": small_plant.container_ids[:200],
        "domains": ["rejects"],
    }
    job = (await api.post("/api/trace/events", json=question)).json()
    await api.get(job["stream_url"])  # read to its end: the job has finished

    result = (await api.get(job["result_url"])).json()
    assert result["results"]["rejects"]["count"] == len(result["results"]["rejects"]["data"])
    assert result["failed_domains"] == []


async def test_cancel_a_job_that_nobody_needs(api: httpx.AsyncClient, small_plant: Plant) -> None:
    """DELETE stops what runs and frees the result; the job is gone."""
    question = {"profile": "mid_section_defect", "container_ids": small_plant.container_ids}
    job = (await api.post("/api/trace/events", json=question)).json()
    answer = await api.delete(job["status_url"])
    assert answer.status_code == 200
    assert answer.json()["status"] in ("cancelled", "finished")
    assert (await api.get(job["status_url"])).status_code == 404
