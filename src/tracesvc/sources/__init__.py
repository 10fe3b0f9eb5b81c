"""Sources of records: `open_source(settings, catalogue)` is the only switch between them.

Reading order: `base` (the protocol), `duckdb` (the embedded source), `statement` (one running query),
`plant` (views that make files look like the warehouse), `oracle/` (the warehouse itself).
"""

from tracesvc.sources.base import Source, SourceError, is_id_list
from tracesvc.sources.opening import open_source

__all__ = ["Source", "SourceError", "is_id_list", "open_source"]
