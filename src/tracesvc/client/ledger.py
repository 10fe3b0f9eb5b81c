"""What has arrived of a trace: every line is checked and counted, so that nothing is missing or twice."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson
from pydantic import ValidationError

from tracesvc.client.decoder import StreamBroken
from tracesvc.errors import TraceIncomplete
from tracesvc.line_bytes import rows_of
from tracesvc.lines import (
    LINE,
    ColumnInfo,
    CompleteLine,
    DomainEndLine,
    DomainStartLine,
    ErrorLine,
    Line,
    MetaLine,
    RecordsLine,
    WarningLine,
)

_HEAD: Final = re.compile(
    rb'\{"type":"records","domain":"([^"\\]+)","batch":(\d+),"offset":(\d+),"count":(\d+),"data":\['
)
_TYPE: Final = re.compile(rb'\{"type":"(\w+)"')
KNOWN: Final = frozenset(LINE.json_schema()["discriminator"]["mapping"])


@dataclass(frozen=True, slots=True)
class RawRecords:
    """A `records` line as its bytes, checked and counted but not parsed."""

    domain: str
    batch: int
    offset: int
    count: int
    line: bytes

    @property
    def rows(self) -> bytes:
        """The JSON array of its records."""
        return rows_of(self.line)

    def parsed(self) -> RecordsLine:
        """The typed line. Its records are as JSON has them; they are not validated one by one."""
        return RecordsLine.model_construct(
            type="records",
            domain=self.domain,
            batch=self.batch,
            offset=self.offset,
            count=self.count,
            data=orjson.loads(self.rows),
        )


@dataclass
class DomainHeld:
    """What has arrived of one domain; `digests` are the SHA-256 of its lines."""

    name: str
    columns: list[ColumnInfo] = field(default_factory=list)
    announced: int | None = None
    records: int = 0
    digests: list[bytes] = field(default_factory=list)
    end: DomainEndLine | None = None


class Ledger:
    """All that a client knows of one trace, over as many connections as it takes."""

    def __init__(self, domains: Sequence[str] | None = None) -> None:
        """`domains`: those that are wanted; the others may come or not."""
        self.meta: MetaLine | None = None
        self.domains: dict[str, DomainHeld] = {}
        self.warning: WarningLine | None = None
        self.complete: CompleteLine | None = None
        self.error: ErrorLine | None = None
        self._wanted = domains
        self._current: DomainHeld | None = None
        self._said: set[str] = set()
        self._began = False
        self._at: tuple[str, int] | None = None

    @property
    def records(self) -> int:
        """Records received, over all domains."""
        return sum(held.records for held in self.domains.values())

    @property
    def cursor(self) -> str | None:
        """Where to go on: after the last line held; None is the beginning."""
        return None if self._at is None else "{}:{}".format(*self._at)

    def connected(self, *, anew: bool) -> None:
        """A new connection: its first line must be `meta` again. `anew`: of another answer."""
        self._began, self._current, self.error = False, None, None
        if anew:
            self._at = None

    def enter(self, line: bytes) -> Line | RawRecords | None:
        """Check and count one line; None when it is held. Raises `StreamBroken`, `TraceIncomplete`."""
        if head := _HEAD.match(line):
            domain, *numbers = (part.decode() for part in head.groups())
            batch, offset, count = map(int, numbers)
            return self._records(RawRecords(domain, batch, offset, count, line))
        kind = _TYPE.match(line)
        if kind is not None and kind[1].decode() not in KNOWN:
            return None  # of a later version of the protocol, which adds and does not change
        try:
            typed = LINE.validate_json(line, extra="ignore")
        except ValidationError as error:
            raise StreamBroken(f"a line is none of this protocol: {error.errors()[0]['msg']}") from None
        return self._small(typed)

    def _small(self, line: Line) -> Line | None:
        if self._began == isinstance(line, MetaLine):
            raise StreamBroken("a stream begins with one meta line")
        self._began = True
        match line:
            case MetaLine():
                known, self.meta = self.meta is not None, line
                return None if known else line
            case DomainStartLine():
                return self._start(line)
            case DomainEndLine():
                return self._end(line)
            case CompleteLine():
                self._check_complete(line)
                self.complete = line
            case ErrorLine():
                self.error = line
            case WarningLine():
                self.warning = line
            case RecordsLine():
                raise StreamBroken("a records line has members in another order")
            case _ if line.type != "progress":
                known = line.type in self._said
                self._said.add(line.type)
                return None if known else line
        return line

    def _start(self, line: DomainStartLine) -> DomainStartLine | None:
        if self._current is not None and self._current.end is None:
            raise StreamBroken(f"{line.domain} begins inside {self._current.name}")
        known = line.domain in self.domains
        self._current = self.domains.setdefault(line.domain, DomainHeld(line.domain, line.columns))
        self._current.announced = line.total
        if self._at is None or self._at[0] != line.domain:
            self._at = (line.domain, -1)
        return None if known else line

    def _records(self, found: RawRecords) -> RawRecords | None:
        held = self._current
        if held is None or held.name != found.domain:
            raise StreamBroken(f"records of {found.domain} come outside of it")
        digest = hashlib.sha256(found.line).digest()
        self._at = (found.domain, found.batch)
        if found.batch < len(held.digests):
            if held.digests[found.batch] != digest:
                raise self.incomplete(
                    f"Asked again, {found.domain} came back with other records than those already handed out."
                )
            return None
        if (found.batch, found.offset) != (len(held.digests), held.records):
            self._at = (found.domain, len(held.digests) - 1)
            raise StreamBroken(
                f"{found.domain} goes on with batch {found.batch} at {found.offset}, "
                f"{len(held.digests)} at {held.records} is due"
            )
        held.digests.append(digest)
        held.records += found.count
        return found

    def _end(self, line: DomainEndLine) -> DomainEndLine | None:
        held = self._current
        if held is None or held.name != line.domain:
            raise StreamBroken(f"{line.domain} ends outside of it")
        if (line.count, line.batches) != (held.records, len(held.digests)):
            raise StreamBroken(f"{line.domain} has {line.count} records, {held.records} came")
        if hashlib.sha256(b"".join(held.digests)).hexdigest() != line.digest:
            raise self.incomplete(
                f"What came of {line.domain} is not what was committed: its digest differs."
            )
        known, held.end = held.end is not None, line
        return None if known else line

    def _check_complete(self, line: CompleteLine) -> None:
        assert self.meta is not None
        for name in self.meta.domains:
            held = self.domains.get(name)
            if held is None or held.end is None or line.domains.get(name) != held.records:
                raise StreamBroken(f"the stream says that it is complete, {name} is not")

    def missing(self) -> dict[str, str]:
        """What is not here, by domain; under `""` the stream's own end."""
        found: dict[str, str] = {}
        for name in self._wanted or (self.meta.domains if self.meta else ()):
            held = self.domains.get(name)
            if held is None:
                found[name] = "nothing of it came"
            elif held.end is None:
                total = f" of {held.announced}" if held.announced is not None else ""
                found[name] = f"{held.records} records{total} came, and not its end"
            elif held.end.status != "ok":
                found[name] = f"{held.end.containers.failed} containers could not be fetched"
        if self.complete is None:
            found[""] = "the last line, complete, did not come"
        return found

    def incomplete(self, reason: str, *, code: str = "") -> TraceIncomplete:
        """The error that says so."""
        missing = self.missing()
        told = "; ".join(f"{name}: {text}" if name else text for name, text in missing.items())
        job_id = self.meta.job_id if self.meta else None
        return TraceIncomplete(
            f"{reason} Missing: {told or 'nothing that is known'}.",
            missing=missing,
            resume_after=self.cursor if job_id else None,
            answered=code,
            job_id=job_id,
        )
