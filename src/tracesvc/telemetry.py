"""What the service says of itself: logging, set up once by each process."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Final

FORMAT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(job)s%(message)s"

current_job: ContextVar[str] = ContextVar("current_job", default="")
"""The id of the job that a task works on; empty outside of jobs. It stands in front of each log message."""

current_caller: ContextVar[str] = ContextVar("current_caller", default="")
"""The name of whoever asked what a task of the API works on."""


def set_up_logging(level: int = logging.INFO) -> None:
    """Log lines to stderr with time, level, module and job. Libraries speak from WARNING on."""
    logging.basicConfig(level=logging.WARNING, format=FORMAT)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_name_job)
    logging.getLogger("tracesvc").setLevel(level)


def _name_job(record: logging.LogRecord) -> bool:
    job_id = current_job.get()
    record.job = f"{job_id}: " if job_id else ""
    return True
