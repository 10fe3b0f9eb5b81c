"""The key file as a running service sees it: read again when it changes."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Final

from tracesvc.access.api_keys import StoredKey, by_id, find_caller, read_keys
from tracesvc.access.caller import Caller
from tracesvc.errors import SettingsError

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
OTHERS_MAY_READ: Final = 0o007


class KeyFile:
    """The keys of a file. A change is seen within a second.

    Without the file nobody is admitted. One that is broken, half written perhaps, changes nothing.
    """

    def __init__(self, path: Path) -> None:
        """Raises `SettingsError` when the file is missing or broken at the start."""
        self._path = path
        self._keys: dict[str, StoredKey] = {}
        self._seen: tuple[int, ...] | None = None
        self._looked = 0.0
        try:
            self._seen = self._state()
            self._keys = by_id(read_keys(path))
        except OSError as error:
            raise SettingsError(
                f"TRACE_API_KEYS_FILE: {path} cannot be read ({error.strerror}). "
                "`tracesvc keys add NAME` makes it."
            ) from None
        if path.stat().st_mode & OTHERS_MAY_READ:
            logger.warning("the key file %s is open to all users of this machine: chmod o= it", path)

    def caller(self, presented: str) -> Caller | None:
        """Whose key it is, or None."""
        self._look()
        return find_caller(self._keys, presented)

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        try:
            state = self._state()
            if state == self._seen:
                return
            self._seen = state
            self._keys = by_id(read_keys(self._path))
            logger.info("the key file changed: %d keys", len(self._keys))
        except FileNotFoundError:
            if self._keys:
                logger.warning("the key file %s is gone: no key is admitted", self._path)
            self._keys, self._seen = {}, None
        except (OSError, SettingsError) as error:
            logger.warning("the key file is left as it was: %s", error)

    def _state(self) -> tuple[int, ...]:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
