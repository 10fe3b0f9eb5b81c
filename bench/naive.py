"""The obvious design, as a yardstick: rows as dicts, chunks as JSON arrays, loaded and dumped again.

    python bench/naive.py serve --redis redis://127.0.0.1:6379 --source duckdb:///abs/plant.duckdb --port 8100

starts the API and one worker process, and prints one JSON line with both process ids. The statements
are tracesvc's own (its catalogue, its translation, its views over the plant), with the same units and as
many threads; all that comes after them is what one would write first.

    GET  /health                     200 once it serves
    POST /events                     {"container_ids": [...], "domains": [...]} -> 202 {"job_id"}
    GET  /job/{id}                   {"status", "error", "domains": {domain: {"chunks", "records"}}}
    GET  /job/{id}/stream            a finished job as NDJSON, one record a line; the last line is `complete`
    GET  /job/{id}/result            ?domain=&offset=&limit= -> {"data", "count", "total", ...}
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import redis
import redis.asyncio
import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from tracesvc.catalogue import Catalogue, Domain, load_catalogue
from tracesvc.catalogue.dialect import to_duckdb
from tracesvc.sources.plant import Plant

CHUNK_RECORDS: Final = 5000
UNIT_CIDS: Final = 1000
FETCH_THREADS: Final = 2
TTL_SECONDS: Final = 3600
QUEUE: Final = "naive:queue"
TIMEZONE: Final = "Asia/Taipei"

Record = dict[str, Any]


def meta_key(job_id: str) -> str:
    """String: the job's status and what is stored of each domain, JSON."""
    return f"naive:{job_id}:meta"


def chunk_key(job_id: str, domain: str, index: int) -> str:
    """String: up to 5000 records, a JSON array."""
    return f"naive:{job_id}:{domain}:{index}"


class Fetcher:
    """Runs the catalogue's statements with fetchall."""

    def __init__(self, source_url: str) -> None:
        self._catalogue: Catalogue = load_catalogue()
        config: dict[str, str | bool | int | float | list[str]] = {
            "threads": 2,
            "memory_limit": "512MiB",
            "temp_directory": str(Path(tempfile.gettempdir()) / "tracesvc-naive-duckdb"),
        }
        self._con = duckdb.connect(":memory:", config=config)
        path = Path(source_url.removeprefix("duckdb://"))
        Plant(path, self._catalogue, TIMEZONE).mount(self._con)
        self._sql = {
            domain.name: to_duckdb(domain.sql, date_columns=self._catalogue.date_columns, clean=True)
            for domain in self._catalogue.domains.values()
        }

    def fetch(self, name: str, container_ids: Sequence[str]) -> list[Record]:
        """Every record of a domain, in the order of the ids asked."""
        domain = self._catalogue.domains[name]
        if domain.list_column is not None:
            return _explode(self._query(domain, ()), domain.list_column, set(container_ids))
        size = min(domain.ids_per_unit or UNIT_CIDS, UNIT_CIDS)
        units = [container_ids[start : start + size] for start in range(0, len(container_ids), size)]
        with ThreadPoolExecutor(FETCH_THREADS) as pool:
            found = pool.map(lambda ids: self._query(domain, ids), units)
            return list(itertools.chain.from_iterable(found))

    def _query(self, domain: Domain, container_ids: Sequence[str]) -> list[Record]:
        statement = self._sql[domain.name]
        values = {
            "container_ids": list(container_ids),
            "as_of": datetime.now(UTC).replace(tzinfo=None, microsecond=0),
        }
        with self._con.cursor() as cursor:
            cursor.execute(statement.sql, {name: values[name] for name in statement.binds})
            rows = cursor.fetchall()
        return [dict(zip(statement.columns, row, strict=True)) for row in rows]


def _explode(records: Iterable[Record], list_column: str, wanted: set[str]) -> list[Record]:
    found = []
    for record in records:
        ids = {part.strip() for part in record[list_column].split(",")}
        found += [{**record, "CONTAINERID": container} for container in sorted(ids & wanted)]
    # As text, so that a missing date ("None") comes last.
    return sorted(found, key=lambda record: (record["CONTAINERID"], str(record["CREATEDATE"])))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    message = f"{type(value).__name__} has no JSON form"
    raise TypeError(message)


def run_job(client: redis.Redis, fetcher: Fetcher, job_id: str, request: Record) -> None:
    """Fetch each domain, then store it chunk by chunk; the job is finished when all are stored."""
    meta: Record = {"status": "running", "error": None, "domains": {}}
    client.set(meta_key(job_id), json.dumps(meta), ex=TTL_SECONDS)
    try:
        for domain in request["domains"]:
            records = fetcher.fetch(domain, request["container_ids"])
            chunks = range(0, len(records), CHUNK_RECORDS)
            for index, start in enumerate(chunks):
                rows = records[start : start + CHUNK_RECORDS]
                data = json.dumps(rows, ensure_ascii=False, default=_plain)
                client.set(chunk_key(job_id, domain, index), data, ex=TTL_SECONDS)
            meta["domains"][domain] = {"chunks": len(chunks), "records": len(records)}
            client.set(meta_key(job_id), json.dumps(meta), ex=TTL_SECONDS)
        meta["status"] = "finished"
    except (duckdb.Error, KeyError, TypeError) as error:
        meta |= {"status": "failed", "error": str(error)}
    client.set(meta_key(job_id), json.dumps(meta), ex=TTL_SECONDS)


def work(redis_url: str, source_url: str) -> None:
    """Take jobs off the queue, one after the other, until the parent process is gone."""
    parent = os.getppid()
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    fetcher = Fetcher(source_url)
    while os.getppid() == parent:
        taken: Any = client.blpop([QUEUE], timeout=1)
        if taken is not None:
            request = json.loads(taken[1])
            run_job(client, fetcher, request["job_id"], request)


class TraceRequest(BaseModel):
    """What to trace."""

    container_ids: list[str]
    domains: list[str]


class Results:
    """The API's view of the stored jobs."""

    def __init__(self, redis_url: str) -> None:
        self._redis = redis.asyncio.Redis.from_url(redis_url, decode_responses=True)

    async def submit(self, request: TraceRequest) -> str:
        """Put a job on the queue; yields its id."""
        job_id = uuid.uuid4().hex
        meta: Record = {"status": "queued", "error": None, "domains": {}}
        await self._redis.set(meta_key(job_id), json.dumps(meta), ex=TTL_SECONDS)
        queued: Any = self._redis.rpush(QUEUE, json.dumps({"job_id": job_id, **request.model_dump()}))
        await queued
        return job_id

    async def meta(self, job_id: str) -> Record:
        """The job's status; 404 when there is no such job."""
        stored = await self._redis.get(meta_key(job_id))
        if stored is None:
            raise HTTPException(404, "The job is unknown or expired")
        found: Record = json.loads(stored)
        return found

    async def chunks(self, job_id: str, domain: str, count: int) -> AsyncIterator[list[Record]]:
        """The records of each chunk."""
        for index in range(count):
            stored = await self._redis.get(chunk_key(job_id, domain, index))
            if stored is None:
                message = f"chunk {index} of {domain} is missing"
                raise RuntimeError(message)
            yield json.loads(stored)

    async def lines(self, job_id: str, meta: Record) -> AsyncIterator[str]:
        """A finished job, one record a line."""
        total = 0
        for domain, stored in meta["domains"].items():
            yield json.dumps({"type": "domain_start", "domain": domain, "total": stored["records"]}) + "\n"
            async for records in self.chunks(job_id, domain, stored["chunks"]):
                for record in records:
                    yield json.dumps(record, ensure_ascii=False) + "\n"
                total += len(records)
        yield json.dumps({"type": "complete", "total_records": total}) + "\n"


def create_api(redis_url: str) -> FastAPI:
    """The HTTP side."""
    api = FastAPI()
    results = Results(redis_url)

    @api.get("/health")
    async def health() -> Record:
        return {"status": "ok"}

    @api.post("/events", status_code=202)
    async def submit(request: TraceRequest) -> Record:
        return {"job_id": await results.submit(request)}

    @api.get("/job/{job_id}")
    async def status(job_id: str) -> Record:
        return await results.meta(job_id)

    @api.get("/job/{job_id}/stream")
    async def stream(job_id: str) -> StreamingResponse:
        meta = await results.meta(job_id)
        if meta["status"] != "finished":
            raise HTTPException(409, f"The job is {meta['status']}")
        return StreamingResponse(results.lines(job_id, meta), media_type="application/x-ndjson")

    @api.get("/job/{job_id}/result")
    async def page(job_id: str, domain: str, offset: int = 0, limit: int = CHUNK_RECORDS) -> Record:
        meta = await results.meta(job_id)
        if domain not in meta["domains"]:
            raise HTTPException(404, "The job has no such domain")
        records: list[Record] = []
        async for chunk in results.chunks(job_id, domain, meta["domains"][domain]["chunks"]):
            records += chunk
        data = records[offset : offset + limit]
        return {"domain": domain, "offset": offset, "count": len(data), "total": len(records), "data": data}

    return api


def serve(redis_url: str, source_url: str, port: int) -> None:
    """Run the API in this process and a worker in another, until SIGTERM or SIGINT."""
    command = [sys.executable, __file__, "work", "--redis", redis_url, "--source", source_url]
    worker = subprocess.Popen(command)
    # uvicorn raises the signal again once it has stopped: it must end in the `finally` below.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        print(json.dumps({"api_pid": os.getpid(), "worker_pid": worker.pid, "port": port}), flush=True)
        uvicorn.run(create_api(redis_url), host="127.0.0.1", port=port, log_level="warning")
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait()


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The obvious design, to measure against.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("serve", "work"):
        command = commands.add_parser(name)
        command.add_argument("--redis", required=True, help="redis://...")
        command.add_argument("--source", required=True, help="duckdb:///absolute/path")
        if name == "serve":
            command.add_argument("--port", type=int, required=True)
    return parser.parse_args(given)


def main() -> None:
    """Read the command line and run."""
    given = _arguments(sys.argv[1:])
    if given.command == "work":
        work(given.redis, given.source)
    else:
        serve(given.redis, given.source, given.port)


if __name__ == "__main__":
    main()
