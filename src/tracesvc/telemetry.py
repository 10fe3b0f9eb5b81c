"""What the service says of itself: logging, set up once by each process."""

from __future__ import annotations

import logging

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def set_up_logging(level: int = logging.INFO) -> None:
    """Log lines to stderr with time, level and module. Libraries speak from WARNING on."""
    logging.basicConfig(level=logging.WARNING, format=FORMAT)
    logging.getLogger("tracesvc").setLevel(level)
