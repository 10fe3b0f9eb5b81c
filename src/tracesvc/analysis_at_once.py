"""An analysis that is answered at once: its records pass by on their way to the client, and are taken in."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any, Protocol

import duckdb
from arro3.core import RecordBatch

from tracesvc.aggregation.file import AnalysisFile
from tracesvc.aggregation.filters import Filters
from tracesvc.detection import DetectionScope, read_detection
from tracesvc.errors import SourceUnavailable, TraceError
from tracesvc.lineage.told import told_members, told_roots
from tracesvc.lines import AggregationLine, CompleteLine, DomainEndLine, WarningLine
from tracesvc.query import TraceQuery
from tracesvc.results.pieces import Piece, Records, error_line
from tracesvc.settings import Settings
from tracesvc.statements import Statements

logger = logging.getLogger(__name__)


class Pieces(Protocol):
    """What a trace gives; `aclose` ends it."""

    def __aiter__(self) -> AsyncIterator[Piece]:
        """The pieces, once."""
        ...

    async def aclose(self) -> None:
        """Nobody reads any more."""
        ...


class Analysed:
    """The pieces of a trace, and before its last lines the aggregation of all that passed.

    Records wait in a temporary DuckDB file, under the memory limit of an analysis.
    """

    def __init__(self, pieces: Pieces, query: TraceQuery, statements: Statements, settings: Settings) -> None:
        self._pieces = pieces
        self._query = query
        self._statements = statements
        self._settings = settings
        self._folder = Path(tempfile.mkdtemp(prefix="tracesvc-"))
        self._file: AnalysisFile | None = None
        self._working: asyncio.Future[Any] | None = None
        self._complete: dict[str, bool] = {}

    async def __aiter__(self) -> AsyncGenerator[Piece, None]:
        answered = False
        async for piece in self._pieces:
            if isinstance(piece, Records):
                await self._do(functools.partial(_take_line, piece))
            elif isinstance(piece, DomainEndLine):
                self._complete[piece.domain] = piece.status == "ok"
            elif isinstance(piece, WarningLine | CompleteLine) and not answered:
                answered = True
                try:
                    yield AggregationLine(data=await self._answer())
                except TraceError as error:
                    yield error_line({"code": error.code, "message": error.detail}, retryable=error.retryable)
                    return
            yield piece

    async def aclose(self) -> None:
        """End the trace, and drop what was taken in."""
        await self._pieces.aclose()
        if self._working is not None:
            await asyncio.wait({self._working})
        await asyncio.to_thread(self._remove)

    def _remove(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _answer(self) -> dict[str, Any]:
        """Read what else the analysis needs, and make it."""
        query = self._query
        seeds = sorted(query.seed_container_ids or query.container_ids)
        mib = self._settings.trace_scratch_memory_mib
        async with read_detection(self._statements, DetectionScope.of(query), mib, seeds) as found:
            for name in ("lots", "rejects", "workflows", "families"):
                await self._take(name, getattr(found, name)())
        await self._take("members", told_members(query))
        await self._take("roots", told_roots(query))
        filters = Filters.from_params(query.params)
        answer: dict[str, Any] = await self._do(functools.partial(_seal, self._complete, filters))
        return answer

    async def _take(self, name: str, batches: AsyncGenerator[RecordBatch]) -> None:
        async with contextlib.aclosing(batches):
            async for batch in batches:
                await self._do(functools.partial(_take_batch, name, batch))

    async def _do(self, work: Callable[[AnalysisFile], Any]) -> Any:  # noqa: ANN401 - whatever the work gives
        """Work on the file in a thread, one after the other."""
        self._working = asyncio.ensure_future(asyncio.to_thread(lambda: work(self._opened())))
        try:
            return await asyncio.shield(self._working)
        except (duckdb.Error, OSError) as error:
            logger.exception("an analysis found no room")
            raise SourceUnavailable("Disk or memory for the analysis ran out.") from error

    def _opened(self) -> AnalysisFile:
        if self._file is None:
            groups = self._statements.catalogue.groups
            memory = self._settings.trace_aggregation_memory_mib
            self._file = AnalysisFile(self._folder / "analysis.duckdb", groups, memory_mib=memory)
            self._file.begin(self._query.params)
        return self._file


def _take_line(piece: Records, file: AnalysisFile) -> None:
    file.take_records(piece.domain, piece.line())


def _seal(complete: dict[str, bool], filters: Filters, file: AnalysisFile) -> dict[str, Any]:
    file.seal(complete, lineage_complete=True)
    return file.aggregate(filters)


def _take_batch(name: str, batch: RecordBatch, file: AnalysisFile) -> None:
    file.take(name, batch)
