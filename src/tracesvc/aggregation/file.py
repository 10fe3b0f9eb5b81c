"""An analysis in the making: inputs are taken in, then sealed into what every answer is read from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from arro3.core import RecordBatch, Table

from tracesvc.aggregation.analysis import Analysis, connect
from tracesvc.aggregation.detail import DetailPage
from tracesvc.aggregation.filters import Filters
from tracesvc.aggregation.inputs import INPUTS, RECORDS, Piece, record_table, select_list
from tracesvc.aggregation.scope import Scope
from tracesvc.aggregation.statements import run
from tracesvc.catalogue import WorkcentreGroup

Batch = RecordBatch | Table


class AnalysisFile:
    """A DuckDB file at `path`, which must not exist. Work of seconds: for a thread or a process of its own.

    `begin`, any number of `take_…` in any order, `seal`; then it answers, as `Analysis.open(path)` does once
    it is closed. Holds a batch and at most `memory_mib`; what is more goes to disk.
    """

    def __init__(
        self, path: Path, groups: Iterable[WorkcentreGroup] = (), *, memory_mib: int = 256, threads: int = 2
    ) -> None:
        """`groups`: the catalogue's, for `begin` with a trace's params."""
        self._groups = tuple(groups)
        self._con = connect(path, memory_mib=memory_mib, threads=threads, read_only=False)
        self._domains: tuple[str, ...] = ()
        self._sealed: Analysis | None = None

    def begin(self, params: Mapping[str, Any] | Scope) -> None:
        """Say what is analysed, from a trace's params. Raises `InvalidParams`; see `Scope`."""
        scope = params if isinstance(params, Scope) else Scope.from_params(params, self._groups)
        self._domains = scope.domains
        run(self._con, "inputs")
        self._con.execute("INSERT INTO about VALUES ($1, '{}', false)", [json.dumps(scope.to_dict())])
        self._con.executemany(
            "INSERT INTO groups VALUES ($1, $2)", [list(pair) for pair in scope.orders.items()]
        )
        self._con.execute("SET VARIABLE detection_place = $1", [scope.order])

    def take_lots(self, batch: Batch) -> None:
        """Detection lots, one row each (domain.md, 5, date range)."""
        self.take("lots", batch)

    def take_rejects(self, batch: Batch) -> None:
        """The detection station's rejects, one row per lot and reason."""
        self.take("rejects", batch)

    def take_workflows(self, batch: Batch) -> None:
        """One workflow per lot."""
        self.take("workflows", batch)

    def take_families(self, batch: Batch) -> None:
        """The resource family of machines."""
        self.take("families", batch)

    def take_members(self, batch: Batch) -> None:
        """Whose records count for a lot besides its own: (seed, container)."""
        self.take("members", batch)

    def take_roots(self, batch: Batch) -> None:
        """The wafer root of lots: (seed, name)."""
        self.take("roots", batch)

    def take(self, name: str, batch: Batch) -> None:
        """A batch of one of `INPUTS`, by its name."""
        table = batch if isinstance(batch, Table) else Table.from_batches([batch])
        self._insert(f"in_{name}", INPUTS[name], table)

    def take_records(self, domain: str, piece: Piece) -> None:
        """Records of a domain: a batch, a committed `records` line, or a line's array of rows.

        Those of a domain that the direction does not need are passed by.
        """
        if domain in self._domains:
            self._insert(f"in_{domain}", RECORDS[domain], record_table(domain, piece))

    def _insert(self, table: str, columns: Iterable[str], rows: Table) -> None:
        self._con.register("taken", rows)
        try:
            self._con.execute(f"INSERT INTO {table} SELECT {select_list(columns)} FROM taken")  # noqa: S608 - ours
        finally:
            self._con.unregister("taken")

    def seal(self, domains_complete: Mapping[str, bool], *, lineage_complete: bool) -> None:
        """Make the dimensions of the answers, and drop what was taken in.

        `domains_complete`: whether each domain is `ok`; one that is not named is not.
        """
        self._con.execute(
            "UPDATE about SET domains_complete = $1, lineage_complete = $2",
            [json.dumps(dict(domains_complete)), lineage_complete],
        )
        self._sealed = Analysis(self._con)
        run(self._con, "lots")
        run(self._con, self._sealed.scope.direction)
        for name in (*INPUTS, *RECORDS):
            self._con.execute(f"DROP TABLE in_{name}")
        self._con.execute("CHECKPOINT")

    def aggregate(self, filters: Filters) -> dict[str, Any]:
        """Of the sealed file; see `Analysis.aggregate`."""
        return self._answers().aggregate(filters)

    def detail(self, filters: Filters, ask: DetailPage) -> dict[str, Any]:
        """Of the sealed file; see `Analysis.detail`."""
        return self._answers().detail(filters, ask)

    def _answers(self) -> Analysis:
        assert self._sealed is not None, "seal comes first"
        return self._sealed

    def close(self) -> None:
        """Let go of the file."""
        self._con.close()
