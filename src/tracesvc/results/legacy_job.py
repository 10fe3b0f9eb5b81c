"""A result of the older layout, shown as a finished job (protocol.md, 2, rule 9)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Final

from redis.asyncio import Redis

from tracesvc.catalogue import Catalogue
from tracesvc.errors import ChunkMissing
from tracesvc.line_bytes import records_line
from tracesvc.lines import AggregationLine, ContainerCounts, DomainEndLine, MetaLine
from tracesvc.results.cursor import Cursor
from tracesvc.results.keys import JobKeys
from tracesvc.results.legacy import scan
from tracesvc.results.pages import PageRequest, open_page, page_head
from tracesvc.results.pieces import Piece, Pieces, Records, complete_line, warning_of
from tracesvc.results.reader import start_line
from tracesvc.results.status import JobStatus

PIECE_BYTES: Final = 1024 * 1024
_CONTAINER: Final = re.compile(rb'"CONTAINERID":("(?:[^"\\]|\\.)*")')


async def legacy_status(redis: Redis, keys: JobKeys, batch_size: int) -> JobStatus | None:
    """The status of a result that stands under the older single key, or None when there is none.

    Reads the whole document once (about 50 MB/s): the older layout has no index.
    """
    if not await redis.exists(keys.legacy):
        return None
    document = scan(_pieces(redis, keys))
    async for _ in document:
        pass
    failed = json.loads(document.members.get("failed_domains", b"[]")) or []
    fields: dict[str, str] = {}
    for domain, count in document.domains.items():
        batches = -(-count // batch_size)
        fields |= {f"{domain}.records": str(count), f"{domain}.batches": str(batches)}
        fields |= {f"{domain}.units_done": str(batches), f"{domain}.units_total": str(batches)}
        fields[f"{domain}.status"] = "partial" if domain in failed else "ok"
    return JobStatus(
        job_id=keys.job_id,
        state="finished",
        profile=None,
        cid_count=None,
        domains=tuple(document.domains),
        batch_size=batch_size,
        attempt=1,
        owner="",
        created_at=None,
        started_at=None,
        finished_at=None,
        expires_at=None,
        bytes=int(await redis.strlen(keys.legacy)),
        failed_domains=tuple(failed),
        fields=fields,
        legacy=True,
    )


async def legacy_stream(
    redis: Redis,
    keys: JobKeys,
    catalogue: Catalogue,
    status: JobStatus,
    domains: Sequence[str],
    after: Cursor | None,
) -> Pieces:
    """The document as the lines of a finished job, re-cut to the batch size, in one pass."""
    domains = [domain for domain in status.domains if domain in domains]
    yield MetaLine(
        job_id=status.job_id,
        profile=None,
        domains=domains,
        cid_count=None,
        batch_size=status.batch_size,
        live=False,
        created_at=None,
        resumed_after=str(after) if after else None,
    )
    begin = domains.index(after.domain) if after else 0
    ends: list[DomainEndLine] = []
    document = scan(_pieces(redis, keys))
    records = _Cutter(document.__aiter__())
    for domain in status.domains:
        lines = _Lines(domain, status, skip=after.batch + 1 if after and domain == after.domain else 0)
        shown = domain in domains and domains.index(domain) >= begin
        if shown:
            total = status.number(domain, "records")
            yield start_line(catalogue, domain, units=status.number(domain, "units_total"), total=total)
        async for rows in records.batches(domain, status.batch_size):
            line = lines.take(rows)
            if shown and line is not None:
                yield line
        if domain in domains:
            ends.append(lines.end())
        if shown:
            yield ends[-1]
    await records.finish()
    for piece in _last(document.members, ends):
        yield piece


def _last(members: dict[str, bytes], ends: Sequence[DomainEndLine]) -> list[Piece]:
    pieces: list[Piece] = []
    aggregation = json.loads(members.get("aggregation", b"null"))
    if aggregation is not None:
        pieces.append(AggregationLine(data=aggregation))
    warning = warning_of(ends)
    if warning is not None:
        pieces.append(warning)
    return [*pieces, complete_line(ends, 0.0)]


async def legacy_page(
    redis: Redis, keys: JobKeys, status: JobStatus, ask: PageRequest
) -> AsyncIterator[bytes]:
    """One page of the document; reads it up to the page's end."""
    head = page_head(status.job_id, ask, total=status.number(ask.domain, "records"), complete=True)
    yield open_page(head)
    at, stop = 0, ask.offset + head["count"]
    if head["count"]:
        async for domain, record in scan(_pieces(redis, keys)):
            if domain != ask.domain:
                continue
            if at >= ask.offset:
                yield record if at == ask.offset else b"," + record
            at += 1
            if at == stop:
                break
    yield b"]}"


async def _pieces(redis: Redis, keys: JobKeys) -> AsyncIterator[bytes]:
    size = await redis.strlen(keys.legacy)
    for start in range(0, size, PIECE_BYTES):
        piece = await redis.getrange(keys.legacy, start, start + PIECE_BYTES - 1)
        if not piece:
            raise ChunkMissing("The stored result of this job expired while it was read.")
        yield piece


class _Cutter:
    """Records of a scan, handed out domain by domain in batches."""

    def __init__(self, records: AsyncIterator[tuple[str, bytes]]) -> None:
        self._records = records
        self._next: tuple[str, bytes] | None = None

    async def batches(self, domain: str, size: int) -> AsyncIterator[list[bytes]]:
        batch: list[bytes] = []
        while (found := self._next or await anext(self._records, None)) is not None:
            self._next = found
            if found[0] != domain:
                break
            self._next = None
            batch.append(found[1])
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch

    async def finish(self) -> None:
        """Read on to the end of the document, where its other members may stand."""
        async for _ in self._records:
            pass


class _Lines:
    """The lines of one domain, with the counts for its last one."""

    def __init__(self, domain: str, status: JobStatus, *, skip: int) -> None:
        self._domain = domain
        self._partial = status.domain_status(domain) == "partial"
        self._skip = skip
        self._batch = self._count = 0
        self._digest = hashlib.sha256()
        self._containers: set[bytes] = set()

    def take(self, rows: list[bytes]) -> Records | None:
        line = records_line(self._domain, self._batch, self._count, len(rows), b"[" + b",".join(rows) + b"]")
        self._digest.update(hashlib.sha256(memoryview(line)[:-1]).digest())
        self._containers.update(found[1] for row in rows if (found := _CONTAINER.search(row)))
        sent = self._batch >= self._skip
        self._batch += 1
        self._count += len(rows)
        return Records(self._domain, plain=line) if sent else None

    def end(self) -> DomainEndLine:
        """What is known of the coverage is the containers that have records."""
        known = len(self._containers)
        return DomainEndLine(
            domain=self._domain,
            count=self._count,
            batches=self._batch,
            status="partial" if self._partial else "ok",
            containers=ContainerCounts(asked=known, with_records=known, without_records=0, failed=0),
            digest=self._digest.hexdigest(),
        )
