"""What a process writes of itself: logging, set up once, for people or for collectors."""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, Literal

FORMAT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(job)s%(message)s"

current_job: ContextVar[str] = ContextVar("current_job", default="")
"""The id of the job that a task works on; empty outside of jobs. It stands in front of each log message."""

current_caller: ContextVar[str] = ContextVar("current_caller", default="")
"""The name of whoever asked what a task of the API works on."""


def set_up_logging(layout: Literal["text", "json"] = "text", level: str = "INFO") -> None:
    """Log lines to stderr with time, level, module and job. Libraries speak from WARNING on."""
    logging.basicConfig(level=logging.WARNING, format=FORMAT)
    for handler in logging.getLogger().handlers:
        if _name_job not in handler.filters:
            handler.addFilter(_name_job)
        if layout == "json":
            handler.setFormatter(JsonLines())
    logging.getLogger("tracesvc").setLevel(level)


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
            "error": self.formatException(record.exc_info) if record.exc_info else None,
        }
        document |= {name: value for name, value in optional.items() if value}
        return json.dumps(document, ensure_ascii=False, default=str)
