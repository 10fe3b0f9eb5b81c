"""What is to be written: one order a file, JSON on the way to the process that writes it.

Plain dataclasses, as both ends are ours: pydantic would be most of that process's start.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal, Self

import orjson

from tracesvc.files.tables import FileColumn

FileFormat = Literal["csv", "ndjson", "parquet", "arrow", "xlsx"]
FORMATS: Final[tuple[FileFormat, ...]] = ("csv", "ndjson", "parquet", "arrow", "xlsx")
MEDIA_TYPES: Final[dict[str, str]] = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.file",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
}
XLSX_MOST_RECORDS: Final = 1_048_575
"""Rows of a sheet of Excel's, less the header."""


def file_part(name: str) -> str:
    """A name as a part of a file's name: letters, digits, `_` and `-` stay."""
    return re.sub(r"[^\w-]", "_", name)[:64]


class TooManyRecords(Exception):
    """A sheet takes no more rows."""


@dataclass(frozen=True, kw_only=True)
class FileDomain:
    """One domain: its columns, and `facts` for the file's own metadata (texts by name).

    `older`: its rows were made by others and are parsed before they are written.
    """

    name: str
    columns: list[FileColumn]
    facts: dict[str, str] = field(default_factory=dict)
    older: bool = False


@dataclass(frozen=True, kw_only=True)
class FileOrder:
    """One file of one or more domains, in the order in which their lines come.

    Several domains are members of a zip whose names begin with `stem`; in a workbook they are its sheets,
    and with `labelled` (NDJSON) they share one file, each record with its domain in front.
    """

    format: FileFormat
    stem: str
    domains: list[FileDomain]
    bom: bool = True
    escape_formulas: bool = True
    labelled: bool = False
    always_zip: bool = False

    def to_json(self) -> bytes:
        """On one line."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """What `to_json` wrote."""
        told = orjson.loads(text)
        domains = [
            FileDomain(**domain | {"columns": [FileColumn(**column) for column in domain["columns"]]})
            for domain in told["domains"]
        ]
        return cls(**told | {"domains": domains})

    @property
    def zipped(self) -> bool:
        """Whether the file is a zip of one file a domain."""
        several = len(self.domains) > 1 and not self.labelled
        return self.format != "xlsx" and (several or self.always_zip)

    def member_name(self, domain: FileDomain) -> str:
        """What a domain's file is called in a zip."""
        return f"{self.stem}_{file_part(domain.name)}.{self.format}"

    @property
    def file_name(self) -> str:
        """What a person calls it."""
        return f"{self.stem}.{'zip' if self.zipped else self.format}"

    @property
    def media_type(self) -> str:
        """For `Content-Type`."""
        return MEDIA_TYPES["zip" if self.zipped else self.format]
