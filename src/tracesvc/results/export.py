"""A job's result as a file: stored lines go to a process that writes it, the file comes back as it grows.

The API holds a few stored frames and one part of the file; it neither inflates nor parses anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from tracesvc import clock
from tracesvc.catalogue import Catalogue
from tracesvc.errors import ChunkMissing, InvalidParams
from tracesvc.files.order import XLSX_MOST_RECORDS, FileDomain, FileFormat, FileOrder, file_part
from tracesvc.files.tables import FileColumn
from tracesvc.files.writer import FileWriter
from tracesvc.line_bytes import count_of
from tracesvc.results.coverage import count_containers
from tracesvc.results.index import ChunkEntry, read_index
from tracesvc.results.keys import JobKeys
from tracesvc.results.legacy_job import legacy_stream
from tracesvc.results.pieces import Records
from tracesvc.results.reader import CHUNKS_A_READ, read_frames
from tracesvc.results.status import JobStatus

logger = logging.getLogger(__name__)

KEYS_A_LOOK: Final = 1000
SHORT_ID_CHARACTERS: Final = 8


@dataclass(frozen=True)
class Export:
    """One file to be, and the chunks that it is made of: a snapshot of what was committed."""

    order: FileOrder
    chunks: dict[str, list[ChunkEntry]]
    records: int
    complete: bool


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What a caller may choose."""

    domains: Sequence[str]
    format: FileFormat
    bom: bool = True
    escape_formulas: bool = True


async def plan_export(
    redis: Redis, keys: JobKeys, catalogue: Catalogue, status: JobStatus, ask: ExportRequest
) -> Export:
    """Look up what is there to be written. Raises `InvalidParams` and `ChunkMissing`."""
    chunks: dict[str, list[ChunkEntry]] = {}
    domains: list[FileDomain] = []
    total, complete = 0, True
    for name in ask.domains:
        if not status.legacy:
            chunks[name] = await read_index(redis, keys, name)
            await _see_all(redis, keys, name, chunks[name])
            records = sum(entry.count for entry in chunks[name])
        else:
            records = status.number(name, "records")
        if ask.format == "xlsx" and records > XLSX_MOST_RECORDS:
            raise _fault(
                "format", f"{name} has {records} records, a sheet of Excel's takes {XLSX_MOST_RECORDS}"
            )
        whole = status.domain_ended(name) and status.domain_status(name) == "ok"
        facts = _facts(status, name, records, whole=whole)
        domains.append(
            FileDomain(
                name=name, columns=_columns(catalogue, name, ask.format), facts=facts, older=status.legacy
            )
        )
        total, complete = total + records, complete and whole
    order = FileOrder(
        format=ask.format,
        stem=_stem(status, ask.domains, complete=complete),
        domains=domains,
        bom=ask.bom,
        escape_formulas=ask.escape_formulas,
    )
    return Export(order, chunks, total, complete)


def _columns(catalogue: Catalogue, domain: str, file_format: FileFormat) -> list[FileColumn]:
    spec = catalogue.domains.get(domain)
    if spec is None:
        if file_format == "ndjson":
            return []
        raise _fault(
            "format", f"the catalogue no longer knows the columns of {domain}; format=ndjson needs none"
        )
    return [
        FileColumn(name=column.name, type=column.type, precision=column.precision, scale=column.scale)
        for column in spec.columns
    ]


def _facts(status: JobStatus, domain: str, records: int, *, whole: bool) -> dict[str, str]:
    """What the file says of itself: whose records, how many, and whether these are all."""
    facts = {
        "tracesvc.job_id": status.job_id,
        "tracesvc.domain": domain,
        "tracesvc.profile": status.profile,
        "tracesvc.created_at": clock.to_text(status.created_at) if status.created_at else None,
        "tracesvc.records": str(records),
        "tracesvc.complete": str(whole).lower(),
        "tracesvc.status": status.domain_status(domain),
    }
    if not status.legacy:
        counts = count_containers(status, domain).model_dump()
        facts |= {f"tracesvc.containers.{name}": str(count) for name, count in counts.items()}
    return {name: value for name, value in facts.items() if value is not None}


def _stem(status: JobStatus, domains: Sequence[str], *, complete: bool) -> str:
    """`trace_history_2026-11-25_1342_k3Jx9QmA`, with `_partial` where something is missing."""
    what = file_part(domains[0]) if len(domains) == 1 else f"{len(domains)}-domains"
    when = status.created_at.strftime("%Y-%m-%d_%H%M") if status.created_at else ""
    short = "".join(filter(str.isalnum, status.job_id.rpartition("-evt-")[2]))[:SHORT_ID_CHARACTERS]
    parts = ["trace", what, when, short, "" if complete else "partial"]
    return "_".join(part for part in parts if part)


async def _see_all(redis: Redis, keys: JobKeys, domain: str, entries: Sequence[ChunkEntry]) -> None:
    """Refuse before the first byte what would break off later: a file has no place for an error."""
    names = [keys.chunk(domain, entry.batch) for entry in entries]
    for start in range(0, len(names), KEYS_A_LOOK):
        part = names[start : start + KEYS_A_LOOK]
        if await redis.exists(*part) != len(part):
            raise ChunkMissing(f"Chunks of {domain} are no longer stored. Run the trace again.")


def _fault(name: str, message: str) -> InvalidParams:
    return InvalidParams(message, errors=[{"loc": ["query", name], "msg": message, "type": "export"}])


async def export_parts(
    redis: Redis, keys: JobKeys, catalogue: Catalogue, status: JobStatus, export: Export
) -> AsyncGenerator[bytes]:
    """The file, part by part. What breaks on the way is raised: the response ends before its time."""
    writer = await FileWriter.start(export.order)
    feeding = asyncio.create_task(_feed(redis, keys, catalogue, status, export, writer), name="export")
    try:
        async for part in writer.parts():
            yield part
        await feeding
        await writer.wait()
    except Exception as error:
        logger.warning("the export %s broke off: %s", export.order.file_name, error)
        raise
    finally:
        feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await feeding
        await writer.kill()


async def _feed(
    redis: Redis,
    keys: JobKeys,
    catalogue: Catalogue,
    status: JobStatus,
    export: Export,
    writer: FileWriter,
) -> None:
    try:
        for domain in export.order.domains:
            if status.legacy:
                lines = _older_lines(redis, keys, catalogue, status, domain.name)
            else:
                lines = _stored_lines(redis, keys, domain.name, export.chunks[domain.name])
            async for line, records in lines:
                await writer.send(line, records)
            await writer.end_domain()
        writer.finish()
    except Exception:
        await writer.kill()
        raise


async def _stored_lines(
    redis: Redis, keys: JobKeys, domain: str, entries: Sequence[ChunkEntry]
) -> AsyncIterator[tuple[bytes, int]]:
    for start in range(0, len(entries), CHUNKS_A_READ):
        part = entries[start : start + CHUNKS_A_READ]
        for entry, frame in zip(part, await read_frames(redis, keys, domain, part), strict=True):
            yield frame, entry.count


async def _older_lines(
    redis: Redis, keys: JobKeys, catalogue: Catalogue, status: JobStatus, domain: str
) -> AsyncIterator[tuple[bytes, int]]:
    async for piece in legacy_stream(redis, keys, catalogue, status, [domain], None):
        if isinstance(piece, Records):
            yield piece.plain, count_of(piece.plain)
