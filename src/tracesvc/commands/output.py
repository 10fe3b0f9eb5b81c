"""The files that a trace is written to while it is read; they get their names when they are whole."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from tracesvc import __version__
from tracesvc.client import RawRecords
from tracesvc.files.order import FORMATS, FileDomain, FileFormat, FileOrder, file_part
from tracesvc.files.tables import FileColumn
from tracesvc.files.writer import FileNotWritten, FileWriter
from tracesvc.lines import DomainEndLine, DomainStartLine, Line, MetaLine

STDOUT: Final = Path("-")
TOGETHER: Final = frozenset({"xlsx"})


@dataclass(frozen=True)
class Target:
    """What `-o` and `--format` say: a place and a form."""

    path: Path
    format: FileFormat
    zipped: bool = False

    @classmethod
    def parse(cls, output: str, file_format: str | None) -> Target:
        """Raises `click.UsageError` when the form is not known."""
        path = Path(output)
        suffix = path.suffix.removeprefix(".").lower()
        chosen = file_format or ("csv" if suffix == "zip" else suffix) or "ndjson"
        if chosen not in FORMATS:
            raise click.UsageError(
                f"{output}: the ending .{chosen} is none of {', '.join(FORMATS)}, zip; or say --format."
            )
        return cls(path, chosen, zipped=suffix == "zip")

    def paths(self, domains: Sequence[str]) -> dict[str, Path]:
        """A domain's file: several domains have theirs in the name, `out.history.parquet`."""
        if len(domains) == 1 or self.together:
            return dict.fromkeys(domains, self.path)
        stem, suffix = self.path.stem, self.path.suffix
        return {name: self.path.with_name(f"{stem}.{file_part(name)}{suffix}") for name in domains}

    @property
    def together(self) -> bool:
        """Whether all domains share one file."""
        return self.path == STDOUT or self.zipped or self.format in TOGETHER


class Output:
    """Feeds what is read to the processes that write. `close` it, and say whether what came is whole."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._columns: dict[str, list[FileColumn]] = {}
        self._paths: dict[str, Path] = {}
        self._meta: MetaLine | None = None
        self._writer: FileWriter | None = None
        self._open: Path | None = None
        self.written: list[Path] = []

    def learn(self, catalogue: Mapping[str, Any]) -> None:
        """The declared types, from `GET /catalogue`: the stream does not tell the digits of numbers."""
        self._columns = {
            name: [FileColumn.declared(column) for column in domain["columns"]]
            for name, domain in catalogue["domains"].items()
        }

    async def take(self, line: Line | RawRecords) -> None:
        """Write what belongs into the file. Raises `FileNotWritten`."""
        match line:
            case MetaLine():
                self._meta = line
                self._paths = self._target.paths(line.domains)
                if self._target.together:
                    await self._begin(line.domains)
            case DomainStartLine():
                self._columns.setdefault(line.domain, FileColumn.of(line.columns))
                if not self._target.together:
                    await self._begin([line.domain])
            case RawRecords():
                assert self._writer is not None
                await self._writer.send(line.line, line.count)
            case DomainEndLine():
                assert self._writer is not None
                await self._writer.end_domain()
                if not self._target.together:
                    await self._finish()

    async def close(self) -> None:
        """Everything came: the last file gets its name. Raises `FileNotWritten`."""
        if self._writer is not None:
            await self._finish()

    async def drop(self) -> None:
        """Not everything came: what is half written goes."""
        if self._writer is not None:
            await self._writer.kill()
            self._writer = None
        if self._open is not None:
            self._open.unlink(missing_ok=True)

    async def _begin(self, domains: Sequence[str]) -> None:
        assert self._meta is not None
        order = FileOrder(
            format=self._target.format,
            stem=self._target.path.stem,
            domains=[
                FileDomain(name=name, columns=self._columns.get(name, []), facts=self._facts(name))
                for name in domains
            ],
            always_zip=self._target.zipped,
            labelled=len(domains) > 1 and self._target.path == STDOUT and self._target.format == "ndjson",
        )
        if self._target.path == STDOUT:
            self._writer = await FileWriter.start(order, target=sys.stdout.fileno())
            return
        self._open = _part(self._paths[domains[0]])
        try:
            descriptor = os.open(self._open, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        except OSError as error:
            raise FileNotWritten(f"{self._open} cannot be written: {error.strerror}") from None
        try:
            self._writer = await FileWriter.start(order, target=descriptor)
        finally:
            os.close(descriptor)

    async def _finish(self) -> None:
        assert self._writer is not None
        self._writer.finish()
        await self._writer.wait()
        self._writer = None
        if self._open is not None:
            whole = self._open.with_suffix("")
            self._open.replace(whole)
            self.written.append(whole)
            self._open = None

    def _facts(self, domain: str) -> dict[str, str]:
        assert self._meta is not None
        facts = {
            "tracesvc.job_id": self._meta.job_id,
            "tracesvc.domain": domain,
            "tracesvc.profile": self._meta.profile,
            "tracesvc.created_at": self._meta.created_at,
            "tracesvc.written_by": f"tracesvc {__version__}",
        }
        return {name: value for name, value in facts.items() if value is not None}


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")
