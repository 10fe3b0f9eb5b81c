"""What a result is made of on its way out: small lines as models, records as their stored bytes."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import zstandard

from tracesvc.lines import (
    CompleteLine,
    DomainEndLine,
    ErrorLine,
    Line,
    WarningLine,
    encode,
)
from tracesvc.results.codec import compress, inflate, inflate_parts

INFLATE_BYTES: Final = 16 * 1024


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


@dataclass(frozen=True, slots=True)
class LinePart:
    """A part of the zstd frame of a line that is no record; all parts of it follow each other."""

    kind: str
    data: bytes
    first: bool
    last: bool


Piece = Line | Records | LinePart
Pieces = AsyncIterable[Piece]


class Plain:
    """Pieces as NDJSON, one after the other."""

    def __init__(self) -> None:
        self._inflater = LineInflater()

    def parts(self, piece: Piece) -> Iterator[bytes]:
        """The bytes of one piece."""
        if isinstance(piece, LinePart):
            return self._inflater.parts(piece)
        return piece.parts() if isinstance(piece, Records) else iter([encode(piece)])


class LineInflater:
    """The parts of a line, inflated as they come."""

    def __init__(self) -> None:
        self._object: zstandard.ZstdDecompressionObj | None = None

    def parts(self, part: LinePart) -> Iterator[bytes]:
        """What one part holds, a little at a time: it may be twenty times as much."""
        if part.first or self._object is None:
            self._object = zstandard.ZstdDecompressor().decompressobj()
        for start in range(0, len(part.data), INFLATE_BYTES):
            if data := self._object.decompress(part.data[start : start + INFLATE_BYTES]):
                yield data


def zstd_bytes(piece: Piece) -> bytes:
    """A piece as one zstd frame, or a part of one; stored frames are neither parsed nor inflated."""
    if isinstance(piece, LinePart):
        return piece.data
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
