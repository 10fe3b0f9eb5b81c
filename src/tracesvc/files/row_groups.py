"""Parquet files put together from files of one row group each, whose pages are not looked at.

A Parquet file ends with its metadata, in Thrift's compact form: the schema, and for each row group where the
pages of its columns begin. Behind another group's pages, pages begin later by what stands before them; all
else of the metadata stays. Source: the Parquet format's README and `parquet.thrift`, of which the numbers
of fields are.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.Thrift import TType
from thrift.transport.TTransport import TMemoryBuffer

MAGIC: Final = b"PAR1"
_LENGTH_BYTES: Final = 4

_FILE_ROWS: Final = 3
_FILE_GROUPS: Final = 4
_GROUP_COLUMNS: Final = 1
_GROUP_ROWS: Final = 3
_GROUP_BEGINS: Final = 5
_GROUP_NUMBER: Final = 7  # may be absent
_CHUNK_METADATA: Final = 3
_CHUNK_INDEXES: Final = (4, 5, 6, 7)  # may be absent, and are: of pages of 20,000 rows a group has four
_COLUMN_BYTES: Final = 7
_COLUMN_BEGINS: Final = (9, 10, 11)  # data pages, index pages, the dictionary


class Typed(NamedTuple):
    """A value as Thrift has it.

    A structure is a dict by the numbers of its fields, or its bytes in Thrift's compact form; a list is one
    of `Typed`.
    """

    kind: int
    value: Any


_NONE: Final = Typed(TType.LIST, [])


class RowGroups:
    """One file from many: what `add` and then `end` return, in this order, is its bytes.

    All are of one schema; the first one's own metadata is the file's. Holds some 150 bytes a column and row
    group.
    """

    def __init__(self) -> None:
        self._written = 0
        self._rows = 0
        self._groups: list[Typed] = []
        self._first: dict[int, Typed] = {}

    def add(self, file: bytes) -> bytes:
        """The pages of a whole Parquet file."""
        begins = len(file) - len(MAGIC) - _LENGTH_BYTES
        length = int.from_bytes(file[begins : begins + _LENGTH_BYTES], "little")
        metadata = decoded(file[begins - length : begins])
        before = b"" if self._first else MAGIC
        self._first = self._first or {**metadata, _FILE_GROUPS: _NONE}
        self._written += len(before)
        ends = len(MAGIC)
        for group in metadata[_FILE_GROUPS].value:
            ends = max(ends, _moved(group.value, self._written - len(MAGIC)))
            self._groups.append(Typed(TType.STRUCT, encoded(group.value)))
            self._rows += group.value[_GROUP_ROWS].value
        self._written += ends - len(MAGIC)
        return before + file[len(MAGIC) : ends]

    def end(self) -> bytes:
        """The metadata; at least one file was added."""
        rows = Typed(TType.I64, self._rows)
        groups = Typed(TType.LIST, self._groups)
        metadata = encoded(self._first | {_FILE_ROWS: rows, _FILE_GROUPS: groups})
        return metadata + len(metadata).to_bytes(_LENGTH_BYTES, "little") + MAGIC


def _moved(group: dict[int, Typed], by: int) -> int:
    """Change where a row group's pages begin; where they ended before, in bytes of its own file."""
    ends = 0
    group.pop(_GROUP_NUMBER, None)
    if _GROUP_BEGINS in group:
        _move(group, _GROUP_BEGINS, by)
    for chunk in group[_GROUP_COLUMNS].value:
        for number in _CHUNK_INDEXES:
            chunk.value.pop(number, None)
        column = chunk.value[_CHUNK_METADATA].value
        begins = [number for number in _COLUMN_BEGINS if number in column]
        ends = max(ends, min(column[number].value for number in begins) + column[_COLUMN_BYTES].value)
        for number in begins:
            _move(column, number, by)
    return ends


def _move(fields: dict[int, Typed], number: int, by: int) -> None:
    fields[number] = Typed(TType.I64, fields[number].value + by)


def decoded(data: bytes) -> dict[int, Typed]:
    """A structure from Thrift's compact form."""
    fields: dict[int, Typed] = _read(TCompactProtocol(TMemoryBuffer(data)), TType.STRUCT).value
    return fields


def encoded(fields: dict[int, Typed]) -> bytes:
    """A structure in Thrift's compact form."""
    buffer = TMemoryBuffer()
    _write(TCompactProtocol(buffer), Typed(TType.STRUCT, fields))
    data: bytes = buffer.getvalue()
    return data


_SCALARS: Final = {
    TType.BOOL: ("readBool", "writeBool"),
    TType.BYTE: ("readByte", "writeByte"),
    TType.I16: ("readI16", "writeI16"),
    TType.I32: ("readI32", "writeI32"),
    TType.I64: ("readI64", "writeI64"),
    TType.DOUBLE: ("readDouble", "writeDouble"),
    TType.STRING: ("readBinary", "writeBinary"),
}


def _read(protocol: TCompactProtocol, kind: int) -> Typed:
    if kind == TType.STRUCT:
        fields = {}
        protocol.readStructBegin()
        while (field := protocol.readFieldBegin())[1] != TType.STOP:
            fields[field[2]] = _read(protocol, field[1])
            protocol.readFieldEnd()
        protocol.readStructEnd()
        return Typed(kind, fields)
    if kind == TType.LIST:
        of, size = protocol.readListBegin()
        items = [_read(protocol, of) for _ in range(size)]
        protocol.readListEnd()
        return Typed(kind, items)
    return Typed(kind, getattr(protocol, _SCALARS[kind][0])())


def _write(protocol: TCompactProtocol, typed: Typed) -> None:
    if typed.kind == TType.STRUCT and isinstance(typed.value, bytes):
        protocol.trans.write(typed.value)
    elif typed.kind == TType.STRUCT:
        protocol.writeStructBegin("")
        for number in sorted(typed.value):
            protocol.writeFieldBegin("", typed.value[number].kind, number)
            _write(protocol, typed.value[number])
            protocol.writeFieldEnd()
        protocol.writeFieldStop()
        protocol.writeStructEnd()
    elif typed.kind == TType.LIST:
        protocol.writeListBegin(typed.value[0].kind if typed.value else TType.STRUCT, len(typed.value))
        for item in typed.value:
            _write(protocol, item)
        protocol.writeListEnd()
    else:
        getattr(protocol, _SCALARS[typed.kind][1])(typed.value)
