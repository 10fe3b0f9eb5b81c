"""Made-up plants that are made once, kept in `TRACE_DATA_DIR`, and used again."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tracesvc.errors import SettingsError

DEFAULT_CONTAINERS: Final = 2000
DEFAULT_SEED: Final = 7
FINGERPRINT_DIGITS: Final = 8


def kept_plant(directory: Path, *, containers: int = DEFAULT_CONTAINERS, seed: int = DEFAULT_SEED) -> Path:
    """The `.duckdb` file with this plant in `directory`; made now when it is not there yet.

    Its name tells containers, seed and the generator's version, so a plant made by other code is not
    used again. Two processes that ask at once make it once. Raises `SettingsError` when the directory
    cannot be written.
    """
    plant = directory / f"plant-{containers}-{seed}-{_generator_version()}.duckdb"
    if plant.exists():
        return plant
    with _locked(directory):
        if not plant.exists():
            from tracesvc.demo.plant import make_plant  # noqa: PLC0415 -- DuckDB, only when needed

            make_plant(plant, containers=containers, seed=seed)
    return plant


def plant_url(plant: Path) -> str:
    """The `TRACE_SOURCE_URL` of a plant on this machine."""
    return f"duckdb://{plant.resolve()}"


def _generator_version() -> str:
    """A few digits of the hash over the generator's own files."""
    here = Path(__file__).parent
    files = sorted([*here.glob("plant*.py"), *here.glob("plant_sql/*.sql")])
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:FINGERPRINT_DIGITS]


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the lock on making plants there; the system frees it when its holder dies."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "plant.lock").open("wb")
    except OSError as error:
        raise SettingsError(
            f"TRACE_DATA_DIR {directory} cannot be written: {error.strerror}; set it to a directory that can"
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
