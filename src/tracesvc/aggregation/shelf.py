"""The analysis files that are kept: one a job, made when it is not there, the least used dropped first."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SUFFIX: Final = ".duckdb"
# What a process that was killed left half made.
LEFTOVER_SECONDS: Final = 3600
# No result lives that long.
UNUSED_SECONDS: Final = 86_400


def spill_of(path: Path) -> Path:
    """The folder that this process spills to beside a file; another process has another."""
    return path.with_name(f"{path.name}.{os.getpid()}.spill")


class Shelf:
    """Files of a folder that processes on one machine share: `max_bytes` together, or just the newest."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def find(self, job_id: str) -> Path | None:
        """The job's file, now the one used last; None when it is not there."""
        path = self._path(job_id)
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        return path

    @contextlib.contextmanager
    def making(self, job_id: str) -> Iterator[Path | None]:
        """Where to make the job's file; None when another process made it meanwhile.

        It appears, whole, when the block ends well; others who want it wait.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(job_id)
        draft = path.with_name(f"{path.stem}.{os.getpid()}.draft")
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.find(job_id) is not None:
                yield None
                return
            try:
                yield draft
                draft.replace(path)
            finally:
                _remove(draft)
            self._make_room(path)

    def drop(self, job_id: str) -> None:
        """Remove the job's file: it turned out to be unreadable, or the job is gone."""
        _remove(self._path(job_id))

    def _path(self, job_id: str) -> Path:
        assert "/" not in job_id, "a job id is no path"
        return self._folder / f"{job_id}{SUFFIX}"

    def _make_room(self, newest: Path) -> None:
        now = time.time()
        kept: list[tuple[float, int, Path]] = []
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                facts = path.stat()
                age = now - facts.st_mtime
                if age > (UNUSED_SECONDS if path.suffix == SUFFIX else LEFTOVER_SECONDS):
                    _remove(path)
                elif path.suffix == SUFFIX and path != newest:
                    kept.append((facts.st_mtime, facts.st_size, path))
        room = self._max_bytes - newest.stat().st_size
        for _, size, path in sorted(kept, reverse=True):
            room -= size
            if room < 0:
                _remove(path)


def _remove(path: Path) -> None:
    """A file, or the folder that a database spilled to, with what belongs to it."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    for name in (path, path.with_name(f"{path.name}.wal")):
        name.unlink(missing_ok=True)
    shutil.rmtree(spill_of(path), ignore_errors=True)
