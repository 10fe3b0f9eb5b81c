"""A worker whose source fails as the test says: `python -m tests.chaos.faulty_worker`.

It is the real worker on the real plant; only what stands between the two is added here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from pathlib import Path
from typing import Final

from arro3.core import RecordBatch

from tests.chaos.faults import Entry, Faults, Ledger
from tests.failing import FailingSource
from tracesvc.catalogue import Catalogue
from tracesvc.errors import TraceError
from tracesvc.settings import Settings, load_settings
from tracesvc.sources import Source, open_source
from tracesvc.worker import run_worker

LOOK_SECONDS: Final = 0.5
ENDLESS: Final = """
SELECT MAX(A.CONTAINERID || B.CONTAINERID || C.CONTAINERID) AS CONTAINERID
FROM DWH.DW_MES_LOTWIPHISTORY A, DWH.DW_MES_LOTWIPHISTORY B, DWH.DW_MES_LOTWIPHISTORY C
"""


class FaultySource(FailingSource):
    """The source with the faults of its folder, and a ledger of its statements."""

    def __init__(self, source: Source, folder: Path) -> None:
        super().__init__(source, self._error)
        self._faults, self._ledger = Faults(folder), Ledger(folder)

    def _error(self, number: int, container_ids: list[str]) -> TraceError | None:
        return self._faults.now().error(number, container_ids)

    async def batches(
        self, sql: str, params: Mapping[str, object], *, batch_size: int
    ) -> AsyncGenerator[RecordBatch, None]:
        fault, number = self._faults.now(), self.statements + 1
        asked = params.get("container_ids", [])
        assert isinstance(asked, list)
        with self._noted(number) as has_rows:
            if fault.deadly_container and fault.deadly_container in asked:
                os.kill(os.getpid(), signal.SIGKILL)
            self.statements += 1
            await self._pause()
            error = fault.error(number, asked)
            if error is not None:
                raise error
            if fault.hangs(number):
                sql, params = ENDLESS, {}
            async with contextlib.aclosing(
                self._source.batches(sql, params, batch_size=batch_size)
            ) as batches:
                async for batch in batches:
                    has_rows.close()
                    yield batch

    async def _pause(self) -> None:
        """As long as the fault in force says, which may change meanwhile."""
        begin = time.monotonic()
        while (left := begin + self._faults.now().pause_seconds - time.monotonic()) > 0:
            await asyncio.sleep(min(left, LOOK_SECONDS))

    @contextlib.contextmanager
    def _noted(self, number: int) -> Iterator[contextlib.ExitStack]:
        """The statement is in the ledger until the stack that is given is closed, or the block is left."""

        def note(*, begins: bool) -> None:
            self._ledger.note(Entry(time.monotonic_ns(), os.getpid(), number, begins))

        note(begins=True)
        with contextlib.ExitStack() as until_rows:
            until_rows.callback(note, begins=False)
            yield until_rows


def _open(settings: Settings, catalogue: Catalogue) -> Source:
    return FaultySource(open_source(settings, catalogue), Path.cwd())


if __name__ == "__main__":
    run_worker(load_settings(), open_source=_open)
