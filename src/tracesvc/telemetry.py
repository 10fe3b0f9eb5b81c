"""What a process writes of itself: logging, set up once, for people or for collectors.

An unexpected error is told by its type and the places it came through, on the line that reports it. Its own
text stays out, and so does a stack trace: both may hold a statement, a value or a credential.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

MOST_PLACES: Final = 8
FORMAT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(job)s%(message)s"

current_job: ContextVar[str] = ContextVar("current_job", default="")
"""The id of the job that a task works on; empty outside of jobs. It stands in front of each log message."""

current_caller: ContextVar[str] = ContextVar("current_caller", default="")
"""The name of whoever asked what a task of the API works on."""


def set_up_logging(layout: Literal["text", "json"] = "text", level: str = "INFO") -> None:
    """Log lines to stderr with time, level, module and job. Libraries speak from WARNING on."""
    logging.basicConfig(level=logging.WARNING)
    for handler in logging.getLogger().handlers:
        if _name_job not in handler.filters:
            handler.addFilter(_name_job)
        handler.setFormatter(JsonLines() if layout == "json" else TextLines(FORMAT))
    logging.getLogger("tracesvc").setLevel(level)
    sys.excepthook = _end_of_process


def error_in_short(error: BaseException) -> str:
    """`ValueError at lines.py:88 encode < unit.py:140 _once; after OSError at …`: innermost place first."""
    frames = reversed(traceback.extract_tb(error.__traceback__)[-MOST_PLACES:])
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    told = f"{type(error).__name__} at {places}" if places else type(error).__name__
    if isinstance(error, BaseExceptionGroup):
        told += f" ({', '.join(error_in_short(each) for each in error.exceptions)})"
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{told}; after {error_in_short(before)}" if before is not None else told


def _end_of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger(__name__).critical("the process ends", exc_info=error)


class TextLines(logging.Formatter):
    """Lines for people."""

    def formatException(self, ei: Any) -> str:  # noqa: N802, ANN401 - logging's name and type
        """The error in short."""
        return error_in_short(ei[1])

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        return super().format(record).replace("\n", " | ")


def _name_job(record: logging.LogRecord) -> bool:
    job_id = current_job.get()
    record.job = f"{job_id}: " if job_id else ""
    return True


class JsonLines(logging.Formatter):
    """A JSON document a line: time, level, logger, message; job_id, caller, audit and error where known."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; a line break inside a message cannot make a second one."""
        document: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        optional = {
            "job_id": current_job.get(),
            "caller": current_caller.get(),
            "audit": getattr(record, "audit", None),
            "error": error_in_short(record.exc_info[1]) if record.exc_info and record.exc_info[1] else None,
        }
        document |= {name: value for name, value in optional.items() if value}
        return json.dumps(document, ensure_ascii=False, default=str)
