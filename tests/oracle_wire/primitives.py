"""Values as Oracle's protocol has them: lengths and integers, text, NUMBER and DATE."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

SHORT: Final = 252  # bytes that one length byte can announce
LONG: Final = 254  # chunks follow
NULL: Final = b"\x00"
CHUNK: Final = 32767


class Reader:
    """Reads a message of the client from its first byte on."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    @property
    def rest(self) -> int:
        return len(self.data) - self.at

    def raw(self, count: int) -> bytes:
        found = self.data[self.at : self.at + count]
        if len(found) < count:
            raise EOFError("the message is cut short")
        self.at += count
        return found

    def u8(self) -> int:
        return self.raw(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.raw(2), "big")

    def ub(self) -> int:
        """An integer behind its length; a length with bit 7 set is negative."""
        length = self.u8()
        value = int.from_bytes(self.raw(length & 0x7F), "big")
        return -value if length & 0x80 else value

    def bytes_(self) -> bytes | None:
        """Bytes behind their length; None for NULL."""
        length = self.u8()
        if length in (0, 255):
            return None
        if length != LONG:
            return self.raw(length)
        parts = []
        while count := self.ub():
            parts.append(self.raw(count))
        return b"".join(parts)

    def bytes_twice(self) -> bytes | None:
        """Bytes behind their length as an integer and once more as a byte."""
        return self.bytes_() if self.ub() else None

    def text(self) -> str:
        return (self.bytes_() or b"").decode()


def ub(value: int) -> bytes:
    """An integer behind its length."""
    if value == 0:
        return b"\x00"
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "big")


def bytes_(value: bytes | None) -> bytes:
    """Bytes behind their length; in chunks when they are long."""
    if not value:
        return NULL
    if len(value) <= SHORT:
        return bytes([len(value)]) + value
    parts = [bytes([LONG])]
    for start in range(0, len(value), CHUNK):
        part = value[start : start + CHUNK]
        parts += [ub(len(part)), part]
    return b"".join((*parts, b"\x00"))


def bytes_twice(value: bytes | None) -> bytes:
    return ub(len(value)) + bytes_(value) if value else b"\x00"


def text(value: str) -> bytes:
    return bytes_(value.encode())


def number(value: float | Decimal) -> bytes:
    """A NUMBER: an exponent, then digits to the base of 100; behind its length."""
    sign, digits, exponent = Decimal(str(value)).as_tuple()
    assert isinstance(exponent, int)
    shown = "".join(map(str, digits)).lstrip("0")
    if not shown:
        return b"\x01\x80"
    if exponent % 2:
        shown, exponent = shown + "0", exponent - 1
    shown = shown.rjust(len(shown) + len(shown) % 2, "0")
    pairs = [int(shown[at : at + 2]) for at in range(0, len(shown), 2)]
    power = exponent // 2 + len(pairs)
    while pairs[-1] == 0:
        pairs.pop()
    if sign:
        body = bytes([0x3F - power, *(101 - pair for pair in pairs)])
        body += b"\x66" if len(pairs) < 20 else b""
    else:
        body = bytes([0xC0 + power, *(pair + 1 for pair in pairs)])
    return bytes([len(body)]) + body


def number_of(data: bytes) -> Decimal:
    """The value of a NUMBER's bytes, without their length."""
    if data == b"\x80":
        return Decimal(0)
    if data[0] & 0x80:
        power, pairs, sign = data[0] - 0xC0, [byte - 1 for byte in data[1:]], ""
    else:
        power, pairs, sign = 0x3F - data[0], [101 - byte for byte in data[1:] if byte != 0x66], "-"
    digits = "".join(f"{pair:02}" for pair in pairs)
    return Decimal(f"{sign}{digits}E{2 * (power - len(pairs))}")


def date(value: datetime) -> bytes:
    """A DATE: seven bytes behind their length, to the second."""
    year = value.year
    return bytes(
        [7, year // 100 + 100, year % 100 + 100, value.month, value.day,
         value.hour + 1, value.minute + 1, value.second + 1]
    )  # fmt: skip


def date_of(data: bytes) -> datetime:
    """The value of a DATE's or TIMESTAMP's bytes, without their length."""
    year = (data[0] - 100) * 100 + data[1] - 100
    micros = int.from_bytes(data[7:11], "big") // 1000 if len(data) >= 11 else 0
    return datetime(year, data[2], data[3], data[4] - 1, data[5] - 1, data[6] - 1, micros)  # noqa: DTZ001
