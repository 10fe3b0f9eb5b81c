"""What a client received: each line of a stream is entered and checked against protocol.md, section 2."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tracesvc.errors import TraceError

DATA: Final = b'"data":['


class StreamWrong(TraceError):
    """The stream broke its contract, or ended with an error."""

    title = "The stream is not what it must be"


@dataclass
class DomainReceived:
    """One domain as received. `digest` proves that these are the bytes that were committed."""

    first_column: str
    records: int = 0
    batches: int = 0
    ended: bool = False
    lines: Any = field(default_factory=hashlib.sha256, repr=False)

    @property
    def digest(self) -> str:
        """Hex SHA-256 over the SHA-256 of each `records` line so far."""
        return str(self.lines.hexdigest())


@dataclass
class Ledger:
    """Enter the lines of one stream in order with `enter`; `close` when there are no more.

    A line that breaks the grammar, a gap between batches, a count or digest that does not fit raises
    `StreamWrong`. Holds one line at most.
    """

    meta: dict[str, Any] = field(default_factory=dict)
    domains: dict[str, DomainReceived] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)
    json_bytes: int = 0
    complete: bool = False

    @property
    def records(self) -> int:
        """Records received so far, over all domains."""
        return sum(domain.records for domain in self.domains.values())

    def enter(self, line: bytes) -> str:
        """Check one line (without its newline) and count it; its type."""
        self.json_bytes += len(line) + 1
        head = _head(line)
        kind = str(head["type"])
        _must(not self.complete, "a line after the last one")
        _must(bool(self.meta) == (kind != "meta"), "`meta` is the first line, once")
        match kind:
            case "meta":
                self.meta = head
            case "domain_start":
                self._start(head)
            case "records":
                self._records(head, line)
            case "domain_end":
                self._end(head)
            case "progress":
                self.progress = head["domains"]
            case "complete":
                self._complete(head)
            case "error":
                raise StreamWrong(f"the stream ended with {head['code']}: {head['message']}")
            case _:
                _must(
                    kind in {"seeds", "lineage", "aggregation", "warning"}, f"a line of unknown type {kind}"
                )
        return kind

    def close(self) -> None:
        """The stream ended: raises when its last line was not `complete`."""
        _must(self.complete, "it was cut: its last line is neither `complete` nor `error`")

    def _start(self, head: dict[str, Any]) -> None:
        order = self.meta["domains"]
        _must(all(domain.ended for domain in self.domains.values()), "a domain starts inside another one")
        _must(
            len(self.domains) < len(order) and head["domain"] == order[len(self.domains)],
            "domains out of their order",
        )
        self.domains[head["domain"]] = DomainReceived(first_column=head["columns"][0]["name"])

    def _records(self, head: dict[str, Any], line: bytes) -> None:
        domain = self._open(head["domain"])
        # in JSON `{"` stands only at the start of an object, and every record has this key first
        counted = line.count(f'{{"{domain.first_column}":'.encode(), line.index(DATA))
        at = (head["batch"], head["offset"], head["count"])
        _must(
            at == (domain.batches, domain.records, counted),
            f"{head['domain']}: batch, offset or count is wrong",
        )
        domain.batches += 1
        domain.records += counted
        domain.lines.update(hashlib.sha256(line).digest())

    def _end(self, head: dict[str, Any]) -> None:
        domain = self._open(head["domain"])
        said = (head["count"], head["batches"], head["digest"])
        _must(
            said == (domain.records, domain.batches, domain.digest),
            f"{head['domain']}: not what was committed",
        )
        counts = head["containers"]
        parts = counts["with_records"] + counts["without_records"] + counts["failed"]
        _must(
            counts["asked"] == self.meta["cid_count"] == parts,
            f"{head['domain']}: containers are not accounted for",
        )
        _must(head["status"] == "ok", f"{head['domain']} is {head['status']}: {head['error']}")
        domain.ended = True

    def _complete(self, head: dict[str, Any]) -> None:
        _must(list(self.domains) == self.meta["domains"], "a domain is missing")
        _must(all(domain.ended for domain in self.domains.values()), "a domain did not end")
        totals = {name: domain.records for name, domain in self.domains.items()}
        _must(
            head["domains"] == totals and head["total_records"] == self.records, "`complete` counts otherwise"
        )
        self.complete = True

    def _open(self, name: str) -> DomainReceived:
        domain = self.domains.get(name)
        if domain is None or domain.ended:
            raise StreamWrong(f"{name}: records outside their domain")
        return domain


def _head(line: bytes) -> dict[str, Any]:
    """The line's members; of a `records` line without its records, which are not parsed."""
    start = line.find(DATA) if line.startswith(b'{"type":"records"') else -1
    try:
        head = orjson.loads(line if start < 0 else line[:start] + DATA + b"]}")
    except orjson.JSONDecodeError as error:
        raise StreamWrong(f"a line is no JSON: {error}") from None
    _must(isinstance(head, dict) and "type" in head, "a line has no type")
    return dict(head)


def _must(holds: bool, otherwise: str) -> None:  # noqa: FBT001
    if not holds:
        raise StreamWrong(f"the stream broke its contract: {otherwise}")
