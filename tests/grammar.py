"""An independent checker of the NDJSON stream (protocol.md, 2): feed it lines, it raises at the first breach.

It shares no code with the service, so that a client's author can read it as the contract.

    checker = StreamChecker()
    for line in body.splitlines(keepends=True):
        checker.feed(line)
    checker.close()
    checker.domains["history"].records

A stream that was cut is resumed by `StreamChecker(resumes=checker)`: the second checker goes on from what
the first one saw, and proves that both together hold each record exactly once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

FIELDS: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "meta": "protocol job_id profile domains cid_count batch_size live created_at resumed_after",
        "seeds": "data",
        "lineage": "data",
        "domain_start": "domain columns total_batches total",
        "records": "domain batch offset count data",
        "domain_end": "domain count batches status containers digest error",
        "progress": "status stage elapsed_seconds records domains",
        "aggregation": "data",
        "warning": "code failed_domains failed message",
        "complete": "total_records elapsed_seconds domains",
        "error": "code message retryable resume_after",
    }.items()
}
JOB_ID: Final = re.compile(r"trace-evt-[A-Za-z0-9_-]{22,}")  # at least 128 random bits
JOB_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
RECORD_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?")
NUMBER: Final = re.compile(r"-?(0|[1-9]\d{0,37})(\.\d*[1-9])?")
NEEDLESS_ESCAPE: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u(?!00[01]|007f|2028|2029)")
COVERAGE: Final = ["asked", "failed", "with_records", "without_records"]
TYPES: Final = ("string", "integer", "number", "boolean", "timestamp")


class GrammarError(AssertionError):
    """The stream breaks the contract."""


def require(holds: object, message: str) -> None:
    """Raise `GrammarError` unless `holds`."""
    if not holds:
        raise GrammarError(message)


@dataclass
class DomainSeen:
    """What a stream said and sent of one domain."""

    name: str
    columns: list[tuple[str, str]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    count: int = 0
    batches: int = 0
    digests: list[bytes] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    end: dict[str, Any] | None = None

    @property
    def digest(self) -> str:
        """The digest that the server must state for these lines."""
        return hashlib.sha256(b"".join(self.digests)).hexdigest()

    @property
    def cursor(self) -> str:
        """Where a client that saw this goes on."""
        return f"{self.name}:{self.batches - 1}"


class StreamChecker:
    """Checks one stream line by line.

    `columns` gives the catalogue's columns by domain; `keep` keeps records and lines in memory;
    `resumes` is the checker of the stream that was cut, given up to the cursor that was sent; `older`
    allows what a result of the single-key layout cannot know to be null.
    """

    def __init__(
        self,
        *,
        columns: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        keep: bool = True,
        resumes: StreamChecker | None = None,
        older: bool = False,
    ) -> None:
        self.meta: dict[str, Any] = {}
        self.domains: dict[str, DomainSeen] = dict(resumes.domains) if resumes else {}
        self.extras: dict[str, Any] = {}
        self.progress: list[dict[str, Any]] = []
        self.warning: dict[str, Any] | None = None
        self.last: dict[str, Any] | None = None
        self.types: list[str] = []
        self._columns, self._keep = columns, keep
        self._resumes, self._older = resumes, older
        self._open: DomainSeen | None = None
        self._queue: list[str] = []

    @property
    def cursor(self) -> str | None:
        """The last batch that arrived whole, as `after=` takes it; none: start from the beginning."""
        seen = [domain for domain in self.domains.values() if domain.batches]
        return seen[-1].cursor if seen else None

    def feed(self, line: bytes) -> dict[str, Any]:
        """Check one line (with its newline); returns it parsed. Raises `GrammarError`."""
        require(line.endswith(b"\n"), f"a line without a newline: {line[:80]!r}")
        require(line.count(b"\n") == 1, "more than one line")
        escaped = b"\\u" in line and NEEDLESS_ESCAPE.search(line)
        require(not escaped, f"escaped text that UTF-8 can hold: {line[:200]!r}")
        parsed = _parse(line)
        kind = str(parsed.get("type"))
        require(kind in FIELDS, f"an unknown type of line: {kind!r}")
        missing = FIELDS[kind] - set(parsed)
        require(not missing, f"{kind} without {sorted(missing)}")
        require(self.last is None, f"{kind} after the last line")
        require((kind == "meta") == (not self.meta), "meta must come first, and once")
        self.types.append(kind)
        check: Callable[[dict[str, Any], bytes], None] = getattr(self, f"_on_{kind}")
        check(parsed, line.rstrip(b"\n"))
        return parsed

    def feed_all(self, lines: Iterable[bytes]) -> StreamChecker:
        """Feed lines without their newline, as `whole_lines` gives them."""
        for line in lines:
            self.feed(line + b"\n")
        return self

    def close(self, *, expect: str = "complete") -> StreamChecker:
        """The stream has ended: it must have said so, with a line of type `expect`."""
        require(self.last is not None, "cut: neither complete nor error came")
        assert self.last is not None
        require(self.last["type"] == expect, f"ended with {self.last}")
        return self

    def _on_meta(self, line: dict[str, Any], raw: bytes) -> None:
        del raw
        self.meta = line
        require(line["protocol"] == 1, "protocol is 1")
        require(line["job_id"] is None or JOB_ID.fullmatch(line["job_id"]), f"job_id {line['job_id']!r}")
        created = line["created_at"]
        require(self._older or JOB_TIME.fullmatch(created), f"created_at {created!r}")
        require(isinstance(line["live"], bool), "live is a boolean")
        require(1 <= line["batch_size"] <= 50_000, "batch_size")
        domains = line["domains"]
        require(len(set(domains)) == len(domains), f"domains {domains}")
        self._queue = list(domains)
        if line["resumed_after"] is None:
            require(self._resumes is None, "a resumed stream says after what")
            self.domains = {}
            return
        name, batch = line["resumed_after"].rsplit(":", 1)
        require(name in domains, f"resumed in {name}, which the stream does not have")
        self._queue = self._queue[self._queue.index(name) :]
        self._rewind(name, int(batch))

    def _rewind(self, name: str, batch: int) -> None:
        """Keep what lies before the cursor; the rest comes again."""
        for later in self._queue[1:]:
            self.domains.pop(later, None)
        seen = self.domains.get(name) or DomainSeen(name)
        if self._resumes is None:
            seen = DomainSeen(name, batches=batch + 1, count=-1 if batch >= 0 else 0)
        else:
            require(batch < seen.batches, f"resumed after {batch}, of which nothing is known")
            kept = batch + 1
            count = seen.offsets[kept] if kept < len(seen.offsets) else seen.count
            seen = DomainSeen(
                name, seen.columns, seen.records[:count], seen.lines[:kept], count, kept,
                seen.digests[:kept], seen.offsets[:kept],
            )  # fmt: skip
        self.domains[name] = seen

    def _on_seeds(self, line: dict[str, Any], raw: bytes) -> None:
        del raw
        require(not self._stages(), f"{line['type']} must stand before the domains, once and in order")
        self.extras[line["type"]] = line["data"]

    def _on_lineage(self, line: dict[str, Any], raw: bytes) -> None:
        del raw
        require(not self._stages() - {"seeds"}, "lineage must stand before the domains, once")
        self.extras["lineage"] = line["data"]

    def _stages(self) -> set[str]:
        return set(self.types[1:-1]) - {"progress"}

    def _on_domain_start(self, line: dict[str, Any], raw: bytes) -> None:
        del raw
        name = line["domain"]
        require(self._open is None, f"{name} starts inside {self._open and self._open.name}")
        require(self._queue and name == self._queue[0], f"{name} starts, {self._queue[:1]} is due")
        self._queue.pop(0)
        columns = [(column["name"], column["type"]) for column in line["columns"]]
        require(columns and all(kind in TYPES for _, kind in columns), f"columns of {name}")
        if self._columns is not None:
            declared = [tuple(column) for column in self._columns[name]]
            require(columns == declared, f"{name} has not the catalogue's columns")
        require(self._older or _is_count(line["total_batches"]), "total_batches")
        require(line["total"] is None or _is_count(line["total"]), "total")
        require(self.meta["live"] or line["total"] is not None, "a finished result knows its total")
        self._open = self.domains.setdefault(name, DomainSeen(name))
        self._open.columns = columns

    def _on_records(self, line: dict[str, Any], raw: bytes) -> None:
        seen = self._open
        require(seen is not None and seen.name == line["domain"], f"records of {line['domain']} out of place")
        assert seen is not None
        require(line["batch"] == seen.batches, f"{seen.name}: batch {line['batch']}, {seen.batches} is due")
        if seen.count < 0:  # resumed from an unknown past: the first line says where we are
            seen.count = line["offset"]
        require(line["offset"] == seen.count, f"{seen.name}: offset {line['offset']}, {seen.count} is due")
        data = line["data"]
        require(line["count"] == len(data), f"{seen.name}: count {line['count']}, {len(data)} records came")
        require(1 <= len(data) <= self.meta["batch_size"], f"{seen.name}: {len(data)} records in a line")
        _check_records(seen, data)
        seen.batches += 1
        seen.offsets.append(line["offset"])
        seen.count += len(data)
        seen.digests.append(hashlib.sha256(raw).digest())
        if self._keep:
            seen.records.extend(data)
            seen.lines.append(raw)

    def _on_domain_end(self, line: dict[str, Any], raw: bytes) -> None:
        del raw
        seen = self._open
        require(seen is not None and seen.name == line["domain"], f"{line['domain']} ends out of place")
        assert seen is not None
        if seen.count < 0:
            seen.count = line["count"]
        require(
            line["count"] == seen.count, f"{seen.name}: domain_end says {line['count']}, not {seen.count}"
        )
        require(
            line["batches"] == seen.batches, f"{seen.name}: {line['batches']} batches, not {seen.batches}"
        )
        if len(seen.digests) == seen.batches:
            require(line["digest"] == seen.digest, f"{seen.name}: the digest is not that of the lines")
        self._check_containers(line)
        seen.end, self._open = line, None

    def _check_containers(self, line: dict[str, Any]) -> None:
        parts = line["containers"]
        require(sorted(parts) == COVERAGE and all(map(_is_count, parts.values())), f"containers {parts}")
        if self._older:  # it never counted containers
            return
        require(
            parts["asked"] == parts["with_records"] + parts["without_records"] + parts["failed"],
            f"{line['domain']}: not every container is accounted for: {parts}",
        )
        asked = self.meta["cid_count"]
        require(asked in (None, parts["asked"]), f"{parts['asked']} asked of {asked}")
        require(line["status"] in ("ok", "partial", "failed"), f"status {line['status']!r}")
        whole = line["status"] == "ok"
        require(whole == (line["error"] is None), f"status {line['status']} with error {line['error']}")
        require(whole == (parts["failed"] == 0), f"status {line['status']} with {parts['failed']} failed")

    def _on_progress(self, line: dict[str, Any], raw: bytes) -> None:
        del raw
        for name, domain in line["domains"].items():
            counts = [domain[key] for key in ("batches_done", "batches_total", "records")]
            require(all(map(_is_count, counts)), f"progress of {name}: {domain}")
            require(domain["batches_done"] <= domain["batches_total"], f"progress of {name}: {domain}")
        require(line["elapsed_seconds"] >= 0 and _is_count(line["records"]), "progress")
        self.progress.append(line)

    def _on_aggregation(self, line: dict[str, Any], raw: bytes) -> None:
        del raw
        self._after_domains("aggregation")
        require("aggregation" not in self.extras and self.warning is None, "one aggregation, before warning")
        self.extras["aggregation"] = line["data"]

    def _on_warning(self, line: dict[str, Any], raw: bytes) -> None:
        del raw
        self._after_domains("warning")
        require(self.warning is None, "one warning")
        require(line["code"] == "EVENTS_PARTIAL_FAILURE", f"warning {line['code']!r}")
        self.warning = line

    def _on_complete(self, line: dict[str, Any], raw: bytes) -> None:
        del raw
        self._after_domains("complete")
        require(line["elapsed_seconds"] >= 0, "elapsed_seconds")
        counts = line["domains"]
        require(sorted(counts) == sorted(self.meta["domains"]), f"complete counts {sorted(counts)}")
        require(line["total_records"] == sum(counts.values()), "total_records is not the domains' sum")
        for name, seen in self.domains.items():
            require(counts[name] == seen.count, f"{name}: complete says {counts[name]}, not {seen.count}")
        wrong = {name for name, seen in self.domains.items() if seen.end and seen.end["status"] != "ok"}
        warned = set(self.warning["failed_domains"]) if self.warning else set()
        require(warned >= wrong and bool(warned) >= bool(wrong), f"no warning of {wrong - warned}")
        self.last = line

    def _after_domains(self, kind: str) -> None:
        require(self._open is None and not self._queue, f"{kind} while {self._queue or self._open} is due")

    def _on_error(self, line: dict[str, Any], raw: bytes) -> None:
        del raw
        require(isinstance(line["code"], str) and line["message"], "an error has a code and a message")
        require(isinstance(line["retryable"], bool), "retryable is a boolean")
        cursor = line["resume_after"]
        known = cursor is None or cursor.rsplit(":", 1)[0] in self.meta["domains"]
        require(known, f"resume_after {cursor!r}")
        self.last = line


def _check_records(seen: DomainSeen, data: list[dict[str, Any]]) -> None:
    names = [name for name, _ in seen.columns]
    checks = [(name, CHECKS[kind]) for name, kind in seen.columns]
    for record in data:
        require(list(record) == names, f"{seen.name}: keys {list(record)}")
        for name, holds in checks:
            value = record[name]
            require(value is None or holds(value), f"{seen.name}.{name}: {value!r}")


CHECKS: Final[Mapping[str, Callable[[Any], object]]] = {
    "string": lambda value: isinstance(value, str) and value == value.strip(" ") and value,
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in (int, Decimal),
    "boolean": lambda value: isinstance(value, bool),
    "timestamp": lambda value: isinstance(value, str) and RECORD_TIME.fullmatch(value),
}


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _parse(line: bytes) -> dict[str, Any]:
    odd: list[str] = []

    def number(text: str) -> int | Decimal:
        if not NUMBER.fullmatch(text) or text == "-0":
            odd.append(text)
        return Decimal(text) if not text.lstrip("-").isdecimal() else int(text)

    text = line.decode("utf-8")
    parsed: dict[str, Any] = json.loads(text, parse_float=number, parse_int=number, parse_constant=_refuse)
    require(isinstance(parsed, dict), f"no object: {line[:80]!r}")
    if parsed.get("type") != "records":  # only records promise the shortest exact form
        return dict(json.loads(text, parse_constant=_refuse))
    require(not odd, f"numbers written as {odd[:5]}")
    return parsed


def _refuse(text: str) -> None:
    raise GrammarError(f"{text} is no JSON")


def check_stream(body: bytes, *, expect: str = "complete", **options: Any) -> StreamChecker:
    """Check a whole body; returns the checker with what it saw."""
    checker = StreamChecker(**options)
    lines = body.split(b"\n")
    require(lines[-1] == b"", f"the last line has no newline: {lines[-1][:80]!r}")
    return checker.feed_all(lines[:-1]).close(expect=expect)
