"""The process that answers questions about analyses, one at a time, for the process that started it.

Its memory is its own, and goes with it. It ends when standard input does, also in the middle of a question:
whoever asked is gone then.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import duckdb
from redis.exceptions import RedisError

from tracesvc.aggregation.analysis import Analysis
from tracesvc.aggregation.csv_rows import csv_parts
from tracesvc.aggregation.detail import DetailPage
from tracesvc.aggregation.filters import Filters
from tracesvc.aggregation.loading import build
from tracesvc.aggregation.requests import WELL, Place, Question, failure, part
from tracesvc.aggregation.shelf import Shelf
from tracesvc.errors import QueueUnavailable, TraceError
from tracesvc.memory import give_memory_back, keep_memory_together
from tracesvc.redis_clients import is_cluster, open_redis
from tracesvc.results.keys import Keys
from tracesvc.results.status import read_status
from tracesvc.telemetry import current_job, set_up_logging

logger = logging.getLogger(__name__)

NO_ROOM: Final = (
    "The analysis found no room: TRACE_AGGREGATION_MEMORY_MIB is too little for it, or the disk under "
    "TRACE_DATA_DIR is full or cannot be written."
)


def main() -> None:
    """Serve until standard input ends."""
    keep_memory_together()
    set_up_logging()
    desk = Desk(Place(**json.loads(sys.stdin.buffer.readline())))
    questions: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, questions), daemon=True).start()
    while True:
        _write(sys.stdout.buffer, desk.answer(Question.from_line(questions.get())))


def _read(source: BinaryIO, questions: queue.SimpleQueue[bytes]) -> None:
    for line in source:
        questions.put(line)
    os._exit(0)


def _write(target: BinaryIO, parts: Iterable[bytes]) -> None:
    target.writelines(part(data) for data in parts)
    target.write(part(b""))
    target.flush()


class Desk:
    """Answers questions from the analysis files of `place`; one that is not there is made first."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._shelf = Shelf(Path(place.folder), place.max_bytes)
        self._open: tuple[str, Analysis] | None = None

    def answer(self, question: Question) -> Iterator[bytes]:
        """The parts of the answer: whether it went well, then the body's."""
        current_job.set(question.job_id)
        try:
            body = self._body(question)
            first = next(body)
        except TraceError as error:
            yield failure(error)
        except (RedisError, ConnectionError, TimeoutError) as error:
            logger.warning("an analysis was not read: %s", type(error).__name__)
            yield failure(QueueUnavailable("Redis was lost while the analysis was read. Try again."))
        except Exception:
            logger.exception("an analysis broke off")
            yield failure(TraceError("The analysis broke off; the log says why."))
        else:
            yield WELL
            yield first
            yield from body

    def _body(self, question: Question) -> Iterator[bytes]:
        try:
            analysis = self._analysis(question.job_id)
            filters = Filters.from_params(question.filters)
            if question.action == "csv":
                yield from csv_parts(analysis, filters, DetailPage(**question.page))
            elif question.action == "detail":
                page = analysis.detail(filters, DetailPage(**question.page))
                yield _json({"job_id": question.job_id, "complete": True, **page})
            else:
                yield _json(analysis.aggregate(filters))
        except (RedisError, ConnectionError, TimeoutError):
            raise
        except (duckdb.OutOfMemoryException, duckdb.IOException, OSError) as error:
            logger.exception("an analysis found no room")
            self._close()
            raise TraceError(NO_ROOM) from error

    def _analysis(self, job_id: str) -> Analysis:
        if self._open is not None and self._open[0] == job_id and self._shelf.find(job_id):
            return self._open[1]
        self._close()
        path = self._shelf.find(job_id)
        if path is not None:
            with contextlib.suppress(duckdb.Error):
                return self._opened(job_id, path)
            logger.warning("the analysis file cannot be read: it is made again")
            self._shelf.drop(job_id)
        asyncio.run(self._make(job_id))
        path = self._shelf.find(job_id)
        assert path is not None, "it was just made"
        return self._opened(job_id, path)

    def _opened(self, job_id: str, path: Path) -> Analysis:
        analysis = Analysis.open(path, memory_mib=self._place.memory_mib)
        self._open = job_id, analysis
        return analysis

    async def _make(self, job_id: str) -> None:
        url = self._place.results_url
        job = Keys(self._place.prefix, is_cluster(url)).job(job_id)
        with self._shelf.making(job_id) as path:
            if path is None:
                return
            async with open_redis(url, most=1) as redis:
                status = await read_status(redis, job)
                await build(redis, job, status, path, memory_mib=self._place.memory_mib)
        give_memory_back()

    def _close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


def _json(document: dict[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
