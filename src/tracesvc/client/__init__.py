"""A client of tracesvc for Python: typed lines, resumed after every cut, proved complete.

async with TraceClient("http://127.0.0.1:8000") as client:
    trace = client.trace({"profile": "query_tool", "container_ids": ids, "domains": ["history"]})
    async for record in trace.records("history"):
        ...

decoder      a body in pieces of any size into lines
ledger       what has arrived so far: checks every line, knows the cursor and what is missing
connection   requests that are tried again: backoff, `Retry-After`, problem documents
client       TraceClient: ask, follow, jobs, cancel
trace        Trace: one question's answer as lines, records, tables
progress     how far it is, for a callback
blocking     the same without `await`
"""

from __future__ import annotations

from tracesvc.client.blocking import BlockingTrace, BlockingTraceClient
from tracesvc.client.client import TraceClient
from tracesvc.client.connection import Patience
from tracesvc.client.ledger import RawRecords
from tracesvc.client.progress import DomainReceived, TraceProgress
from tracesvc.client.trace import Trace
from tracesvc.errors import ServiceAway, TraceIncomplete, TraceRefused

__all__ = [
    "BlockingTrace",
    "BlockingTraceClient",
    "DomainReceived",
    "Patience",
    "RawRecords",
    "ServiceAway",
    "Trace",
    "TraceClient",
    "TraceIncomplete",
    "TraceProgress",
    "TraceRefused",
]
