"""The environment's variables: those whose value stands in a file, and those that nobody reads."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

from tracesvc.errors import SettingsError

OURS = ("TRACE_", "EVENT_FETCHER_", "DB_SLOW_")


def secrets_in_files(names: Iterable[str]) -> dict[str, str]:
    """Values of the settings whose variable with `_FILE` behind it names a file, as container secrets do.

    Raises `SettingsError` for a file that cannot be read.
    """
    found = {}
    for name in names:
        variable = f"{name.upper()}_FILE"
        path = os.environ.get(variable, "")
        if path:
            try:
                found[name] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                raise SettingsError(f"{variable}: the file that it names cannot be read") from None
    return found


def unknown_among(names: Iterable[str], known: Iterable[str]) -> dict[str, str | None]:
    """Variables that look like ours but are none, each with the nearest real name: most are typing errors."""
    real = [name.upper() for name in known]
    files = {f"{name}_FILE" for name in real}
    return {
        name: next(iter(difflib.get_close_matches(name, real, n=1)), None)
        for name in names
        if name.startswith(OURS) and name not in real and name not in files
    }
