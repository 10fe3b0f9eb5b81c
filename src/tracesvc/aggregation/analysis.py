"""A sealed analysis, asked with filters as often as one likes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from tracesvc.aggregation import backward, detail, forward
from tracesvc.aggregation.detail import DetailPage
from tracesvc.aggregation.detail_columns import COLUMNS
from tracesvc.aggregation.filters import Filters
from tracesvc.aggregation.scope import Scope
from tracesvc.aggregation.shelf import spill_of
from tracesvc.aggregation.statements import Row, rows
from tracesvc.errors import InvalidParams


def connect(path: Path, *, memory_mib: int, threads: int, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A connection under a memory limit; past it the database spills beside the file."""
    return duckdb.connect(
        str(path),
        read_only=read_only,
        config={
            "memory_limit": f"{memory_mib}MiB",
            "threads": threads,
            "temp_directory": str(spill_of(path)),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )


class Analysis:
    """The answers of one sealed file. Not for several threads at once."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        (about,) = rows(con, "about")
        self.scope = Scope.from_dict(json.loads(about["scope"]))
        stated = json.loads(about["domains_complete"])
        self.domains_complete = {name: bool(stated.get(name, False)) for name in self.scope.domains}
        self.lineage_complete = bool(about["lineage_complete"])
        self._chosen: Filters | None = None

    @classmethod
    def open(cls, path: Path, *, memory_mib: int = 256, threads: int = 2) -> Self:
        """Open a sealed file, which any number of processes may read at once."""
        return cls(connect(path, memory_mib=memory_mib, threads=threads, read_only=True))

    def close(self) -> None:
        """Let go of the file."""
        self._con.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def aggregate(self, filters: Filters) -> dict[str, Any]:
        """Summary, charts and trend of the lots that `filters` leave (domain.md, 7, Answer)."""
        bound = self._choose(filters)
        if self.scope.direction == "backward":
            answer = backward.aggregate(self._con, bound, self.domains_complete)
        else:
            answer = forward.aggregate(self._con, self.domains_complete)
        return {
            "direction": self.scope.direction,
            "station": self.scope.station,
            "filters": filters.to_params(),
            **answer,
            "available_loss_reasons": [row["loss_reason"] for row in rows(self._con, "available_reasons")],
            "detail_total_count": detail.count(self._con, self.scope.direction, bound),
            "lineage_complete": self.lineage_complete,
            "domains_complete": self.domains_complete,
        }

    def detail(self, filters: Filters, ask: DetailPage) -> dict[str, Any]:
        """A page of the rows behind the charts. Raises `InvalidParams` for a column that there is not."""
        data = [row for rows in self.detail_rows(filters, ask) for row in rows]
        total = detail.count(self._con, self.scope.direction, self._choose(filters))
        end = ask.offset + len(data)
        return {
            "offset": ask.offset,
            "limit": ask.limit,
            "count": len(data),
            "total": total,
            "next_offset": end if data and end < total else None,
            "sort": ask.sort,
            "order": ask.order,
            "data": data,
        }

    def detail_rows(self, filters: Filters, ask: DetailPage) -> Iterator[list[Row]]:
        """The same rows, some thousands at a time; ask nothing else before the last."""
        direction = self.scope.direction
        if ask.sort not in COLUMNS[direction]:
            raise InvalidParams(f"sort: the rows have the columns {', '.join(COLUMNS[direction])}")
        return detail.pages(self._con, direction, self._choose(filters), ask, self.domains_complete)

    def _choose(self, filters: Filters) -> Mapping[str, object]:
        """Make the cohort; the filters as binds, None for all."""
        bound = {name: values or None for name, values in filters.to_params().items()}
        if filters != self._chosen:
            rows(self._con, "cohort", bound)
            self._chosen = filters
        return bound
