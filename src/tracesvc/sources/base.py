"""What a source of records is: something that runs a catalogue statement and yields Arrow batches."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

from arro3.core import RecordBatch

from tracesvc.errors import TraceError


class Source(Protocol):
    """A plant's database, read-only.

    SQL is given in Oracle's dialect with named binds (`:name`); a bind whose value is a sequence of
    text stands for an `IN` list (`IN (:container_ids)`). Every method may raise `SourceUnavailable`,
    `SourceTimeout` or another `SourceError`.
    """

    name: str
    """Stable, secret-free identity of the plant; part of cache keys."""

    def batches(
        self, sql: str, params: Mapping[str, object], *, batch_size: int
    ) -> AsyncGenerator[RecordBatch, None]:
        """Run one statement; Arrow batches of at most `batch_size` rows, in the statement's order.

        Rows are read while they are consumed (at most a few batches ahead). Closing the iterator early
        breaks the running statement off.
        """
        ...

    def iter_rows(
        self, sql: str, params: Mapping[str, object], batch_size: int
    ) -> AsyncGenerator[tuple[list[str], list[tuple[object, ...]]], None]:
        """The same statement as `(column names, rows)` pairs of at most `batch_size` rows."""
        ...

    async def ping(self) -> None:
        """Raise when the source cannot answer now."""
        ...

    async def close(self) -> None:
        """Break off what runs and free everything."""
        ...


class SourceError(TraceError):
    """The source refused a statement for good; retrying the same statement is of no use."""

    code, status, title = "SOURCE_UNAVAILABLE", 503, "The plant's database refused a statement"


class ValueRefused(SourceError):
    """A stored value cannot be read as the statement wants it; other containers' values can."""

    title = "The plant holds a value that cannot be read"
    remedy = "split"


class SignInRefused(SourceError):
    """No sign-in is tried again for a while: accounts get locked."""

    title = "The plant's database refuses the user or the password"


class NotAllowed(SourceError):
    """The database's user lacks a grant."""

    title = "The plant's database does not let its user read a table"


class CatalogueMismatch(SourceError):
    """A table or column that a statement names is not there, or is another."""

    title = "The catalogue does not fit the plant's database"


def is_id_list(value: object) -> bool:
    """Whether a bind stands for an `IN` list."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
