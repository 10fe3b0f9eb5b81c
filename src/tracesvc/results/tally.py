"""The running count of one domain: what its next line is called, and what its last line will say."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Final

from tracesvc.lines import ContainerCounts, DomainEndLine, DomainStatus, Fault

WITH: Final = ord("+")
WITHOUT: Final = ord("-")
FAILED: Final = ord("x")


def coverage_of(container_ids: list[str], found: set[str]) -> bytes:
    """One byte per container, in order: `+` with records, `-` without."""
    return bytes(WITH if container in found else WITHOUT for container in container_ids)


@dataclass(slots=True)
class DomainTally:
    """What is committed of a domain. `ids_done` is the checkpoint: units commit in the order asked."""

    domain: str
    asked: int
    ids_done: int = 0
    batches: int = 0
    records: int = 0
    with_records: int = 0
    failed: int = 0
    units_done: int = 0
    units_total: int = 0
    error: Fault | None = None
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def copy(self) -> DomainTally:
        """A tally of its own that goes on from here: what fails to commit must not be counted."""
        return replace(self, _digest=self._digest.copy())

    def count_line(self, records: int, line_digest: str) -> None:
        """Take one committed `records` line into account."""
        self.batches += 1
        self.records += records
        self._digest.update(bytes.fromhex(line_digest))

    def count_unit(self, coverage: bytes) -> None:
        """Take one finished unit into account by its coverage, one byte per container."""
        self.ids_done += len(coverage)
        self.with_records += coverage.count(WITH)
        self.failed += coverage.count(FAILED)
        self.units_done += 1

    @property
    def without_records(self) -> int:
        """Containers that were looked for and have no record in this domain."""
        return self.ids_done - self.with_records - self.failed

    @property
    def status(self) -> DomainStatus:
        """`ok`, or `partial` when containers failed, or `failed` when none could be fetched."""
        failed = self.counts().failed
        if not failed and self.error is None:
            return "ok"
        return "failed" if failed >= self.asked else "partial"

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of the lines so far (protocol.md, 2, rule 2)."""
        return self._digest.hexdigest()

    def counts(self) -> ContainerCounts:
        """Coverage; containers that no unit reached count as failed, so that the sum is always `asked`."""
        failed = self.asked - self.with_records - self.without_records
        return ContainerCounts(
            asked=self.asked,
            with_records=self.with_records,
            without_records=self.without_records,
            failed=failed,
        )

    def end_line(self) -> DomainEndLine:
        """The domain's last line."""
        return DomainEndLine(
            domain=self.domain,
            count=self.records,
            batches=self.batches,
            status=self.status,
            containers=self.counts(),
            digest=self.digest,
            error=self.error,
        )
