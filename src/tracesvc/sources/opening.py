"""Which source a URL means."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote

from tracesvc.catalogue import Catalogue
from tracesvc.errors import SourceConfigError
from tracesvc.settings import Settings
from tracesvc.sources.base import Source
from tracesvc.sources.duckdb import DuckDBSource

_DUCKDB: Final = "duckdb://"
_ORACLE: Final = "oracle://"


def open_source(settings: Settings, catalogue: Catalogue) -> Source:
    """The plant that `TRACE_SOURCE_URL` names; nothing is read before the first statement.

    Raises `SourceConfigError` when the URL is none that is known, or nothing is where it points.
    """
    url = settings.trace_source_url.strip()
    if not url:
        raise SourceConfigError(
            "TRACE_SOURCE_URL is empty: give it a plant, as in duckdb:///path/to/plant.duckdb"
        )
    if url.startswith(_ORACLE):
        if url != _ORACLE:
            raise SourceConfigError(
                "TRACE_SOURCE_URL is oracle:// and nothing more: the address is in DB_HOST, DB_PORT and"
                " DB_SERVICE, or in DB_DSN"
            )
        from tracesvc.sources.oracle.source import OracleSource  # noqa: PLC0415 - the driver, when it is needed

        return OracleSource(settings, catalogue)
    if not url.startswith(_DUCKDB):
        raise SourceConfigError(
            "TRACE_SOURCE_URL is of no known kind: it starts with duckdb:/// or oracle://"
        )
    path = Path(unquote(url.removeprefix(_DUCKDB)))
    if not path.is_absolute():
        raise SourceConfigError(
            "TRACE_SOURCE_URL wants an absolute path, with three slashes: duckdb:///path/to/plant"
        )
    if not path.exists():
        raise SourceConfigError(f"TRACE_SOURCE_URL points to {path}, where nothing is: check the path")
    return DuckDBSource(path, settings, catalogue)
