"""The limit of a job: its statements as Arrow batches, as wide as the worker runs them, and nothing else.

    python -m bench.source_loop SOURCE_URL DOMAIN [parsed]

prints `{"records": …, "seconds": …}`. The translated SQL, the views over the plant, DuckDB's settings and
the units are the worker's; the batches go straight from DuckDB's own stream to nowhere. With `parsed` the
statement is parsed once before, as the worker does, and not for each unit.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import orjson
from arro3.core import RecordBatchReader

from tracesvc.catalogue import load_catalogue
from tracesvc.catalogue.dialect import to_duckdb
from tracesvc.demo.plant import plant_container_ids
from tracesvc.runner import cut
from tracesvc.settings import Settings
from tracesvc.sources.duckdb import engine_config
from tracesvc.sources.plant import Plant


def run(path: Path, name: str, *, parsed: bool) -> tuple[int, float]:
    """Records and seconds of one pass over all containers; opening the plant does not count."""
    settings, catalogue = Settings(), load_catalogue()
    ids, domain = plant_container_ids(path), catalogue.domains[name]
    statement = to_duckdb(domain.sql, date_columns=catalogue.date_columns, clean=True)
    con = duckdb.connect(":memory:", config=engine_config(settings))
    Plant(path, catalogue, settings.trace_plant_timezone).mount(con)
    asked = con.extract_statements(statement.sql)[0] if parsed else statement.sql
    as_of = datetime.now(UTC).replace(tzinfo=None, microsecond=0)

    def unit(container_ids: Sequence[str]) -> int:
        values = {"container_ids": container_ids, "as_of": as_of}
        with con.cursor() as cursor:
            relation = cursor.sql(asked, params={bind: values[bind] for bind in statement.binds})
            return sum(batch.num_rows for batch in RecordBatchReader.from_stream(relation))

    units = [
        ids[part] for part in cut(len(ids), 0, min(domain.ids_per_unit or 1000, settings.trace_unit_cids))
    ]
    began = time.perf_counter()
    with ThreadPoolExecutor(settings.event_fetcher_max_workers) as pool:
        records = sum(pool.map(unit, units))
    return records, time.perf_counter() - began


def main() -> None:
    """Run and print."""
    url, domain, *how = sys.argv[1:]
    records, seconds = run(Path(url.removeprefix("duckdb://")), domain, parsed="parsed" in how)
    sys.stdout.write(orjson.dumps({"records": records, "seconds": seconds}).decode() + "\n")


if __name__ == "__main__":
    main()
