"""What a result is made of on its way out: small lines as models, records as their stored bytes."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracesvc.lines import (
    CompleteLine,
    DomainEndLine,
    ErrorLine,
    Line,
    WarningLine,
    encode,
)
from tracesvc.results.codec import compress, inflate, inflate_parts


@dataclass(frozen=True, slots=True)
class Records:
    """One `records` line, either as its stored frame or, where nothing was stored, in plain JSON."""

    domain: str
    frame: bytes = b""
    plain: bytes = b""

    def line(self) -> bytes:
        """The line with its newline."""
        return self.plain or inflate(self.frame)

    def parts(self) -> Iterator[bytes]:
        """The line with its newline, in parts: what one reader holds does not grow with the line."""
        return iter([self.plain]) if self.plain else inflate_parts(self.frame)

    def packed(self) -> bytes:
        """The line as a zstd frame."""
        return self.frame or compress(self.plain)


Piece = Line | Records
Pieces = AsyncIterable[Piece]


def plain_parts(piece: Piece) -> Iterator[bytes]:
    """A piece as NDJSON."""
    return piece.parts() if isinstance(piece, Records) else iter([encode(piece)])


def zstd_bytes(piece: Piece) -> bytes:
    """A piece as one zstd frame; stored frames are neither parsed nor inflated."""
    return piece.packed() if isinstance(piece, Records) else compress(encode(piece))


def warning_of(ends: Sequence[DomainEndLine]) -> WarningLine | None:
    """The line that says what could not be fetched, when there is such."""
    failed = {end.domain: end.containers.failed for end in ends if end.status != "ok"}
    if not failed:
        return None
    parts = ", ".join(f"{count} in {domain}" for domain, count in failed.items())
    message = f"The result is not complete. Containers that could not be fetched: {parts}. Trace them again."
    return WarningLine(failed_domains=list(failed), failed=failed, message=message)


def complete_line(ends: Sequence[DomainEndLine], elapsed_seconds: float) -> CompleteLine:
    """The last line of a stream that ended well."""
    counts = {end.domain: end.count for end in ends}
    return CompleteLine(total_records=sum(counts.values()), elapsed_seconds=elapsed_seconds, domains=counts)


def error_line(
    fault: Mapping[str, Any], *, retryable: bool = False, resume_after: str | None = None
) -> ErrorLine:
    """The last line of a stream that did not, from a job's stored error."""
    return ErrorLine(
        code=fault["code"], message=fault["message"], retryable=retryable, resume_after=resume_after
    )
