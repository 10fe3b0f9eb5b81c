"""An example of each document that people write or read first, for the OpenAPI description."""

from __future__ import annotations

from typing import Any, Final

JOB_ID: Final = "trace-evt-4pQUGjlKdfaol8OXuwkAFY4t"
JOB: Final = f"/api/trace/job/{JOB_ID}"

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "TraceQuery": {
        "profile": "query_tool",
        "container_ids": ["48810380001cba48", "48810380001cba4f"],
        "domains": ["history", "rejects"],
    },
    "Accepted": {
        "stage": "events",
        "async": True,
        "job_id": JOB_ID,
        "status": "queued",
        "cid_count": 114892,
        "deduplicated": False,
        "status_url": JOB,
        "stream_url": f"{JOB}/stream",
        "result_url": f"{JOB}/result",
    },
    "JobDocument": {
        "job_id": JOB_ID,
        "status": "running",
        "stage": "events",
        "profile": "query_tool",
        "cid_count": 114892,
        "domains": ["history"],
        "progress": {
            "percent": 41.7,
            "records": 480000,
            "bytes": 12000000,
            "records_per_second": 91000,
            "eta_seconds": 7.1,
            "waiting_statements": 0,
            "domains": {
                "history": {
                    "status": "running",
                    "batches_done": 48,
                    "batches_total": 115,
                    "records": 480000,
                    "failed": 0,
                }
            },
        },
        "attempt": 1,
        "created_at": "2026-11-23T13:42:30.020Z",
        "started_at": "2026-11-23T13:42:30.041Z",
        "finished_at": None,
        "expires_at": "2026-11-23T15:42:30.041Z",
        "elapsed_seconds": 5.3,
        "failed_domains": [],
        "error": None,
    },
    "Page": {
        "job_id": JOB_ID,
        "domain": "materials",
        "offset": 0,
        "limit": 1,
        "count": 1,
        "total": 115000,
        "complete": True,
        "next_offset": 1,
        "data": [
            {
                "CONTAINERID": "48810380001cba48",
                "CONTAINERNAME": "GA23100020-A00-011",
                "MATERIALPARTNAME": "EPOXY-84",
                "MATERIALLOTNAME": None,
                "QTYCONSUMED": 1.5,
                "WORKCENTERNAME": "焊接_DB",
                "SPECNAME": "焊接_DB_SMC",
                "EQUIPMENTNAME": "DB-07",
                "TXNDATE": "2026-01-01T00:30:00",
            }
        ],
    },
    "Problem": {
        "type": "urn:tracesvc:problem:JOB_NOT_FOUND",
        "title": "The job is unknown, expired or deleted",
        "status": 404,
        "detail": f"There is no job {JOB_ID}. It may have expired or been deleted; ask again.",
        "code": "JOB_NOT_FOUND",
    },
}
