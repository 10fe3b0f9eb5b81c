"""From CONNECT to a session: what the server can do, and the login with a 12c verifier."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.oracle_wire.packets import ACCEPT, CONNECT, DATA, REFUSE, Packet, Wire
from tests.oracle_wire.primitives import Reader, bytes_, bytes_twice, ub

VERIFIER_12C: Final = 0x4815
FAST_AUTH: Final = 0x10000000
HAS_END_OF_RESPONSE: Final = 0x02000000
GENERATIONS: Final = 64  # a real server asks for 4096; logins of tests should be quick


@dataclass(frozen=True)
class Release:
    """A release of the database, as the protocol shows it."""

    name: str
    version: int
    fields: int
    number: int
    flags: int = 0

    @property
    def ends_responses(self) -> bool:
        return bool(self.flags & HAS_END_OF_RESPONSE)


RELEASES: Final = {
    release.name: release
    for release in (
        Release("19c", 318, 12, (19 << 24) | (19 << 16)),
        Release("23ai", 319, 24, (23 << 24) | (4 << 16), FAST_AUTH | HAS_END_OF_RESPONSE),
        Release("23ai-slow", 319, 24, (23 << 24) | (4 << 16), HAS_END_OF_RESPONSE),
    )
}


def connect_data(wire: Wire, first: Packet) -> tuple[str, int]:
    """The connect descriptor and the frame size that the client wants."""
    assert first.kind == CONNECT
    body = first.body
    length, offset = int.from_bytes(body[16:18], "big"), int.from_bytes(body[18:20], "big")
    size = int.from_bytes(body[50:54], "big")
    data = body[offset - 8 :]
    if len(data) < length:
        more = wire.receive()
        data = more.body[2:]
    return data.decode(), size


def accept(wire: Wire, release: Release, size: int) -> None:
    """Tell the client what is agreed; frames are large from here on."""
    body = bytearray(37)
    body[0:2] = release.version.to_bytes(2, "big")
    body[24:28] = size.to_bytes(4, "big")
    body[33:37] = release.flags.to_bytes(4, "big")
    wire.send(ACCEPT, bytes(body))
    wire.large, wire.size = True, size


def refuse(wire: Wire, code: int) -> None:
    """What a listener says that knows no such service, or has no room."""
    text = f"(DESCRIPTION=(TMP=)(VSNNUM=0)(ERR={code})(ERROR_STACK=(ERROR=(CODE={code})(EMFI=4))))".encode()
    wire.send(REFUSE, b"\x00\x00" + len(text).to_bytes(2, "big") + text)


def protocol_answer(release: Release) -> bytes:
    """Message 1: banner, character sets and capabilities."""
    fdo = bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 2000 >> 8, 2000 & 255])
    compile_caps = bytearray(55)
    compile_caps[7] = release.fields
    runtime_caps = bytearray(13)
    runtime_caps[0] = 2
    banner = b"x86_64/Linux 2.4.xx\x00"
    return b"".join(
        (
            b"\x01\x06\x00", banner, (873).to_bytes(2, "little"), b"\x01", b"\x00\x00",
            len(fdo).to_bytes(2, "big"), fdo, bytes_(bytes(compile_caps)), bytes_(bytes(runtime_caps)),
        )
    )  # fmt: skip


DATA_TYPES_ANSWER: Final = b"\x02\x00\x00"


def skip_data_types(reader: Reader) -> None:
    """Read over the client's data types message, in front of which its code has been read."""
    reader.raw(5)
    reader.bytes_()
    reader.bytes_()
    while reader.u16():
        reader.raw(6)


def skip_protocol(reader: Reader) -> None:
    """Read over the client's protocol message, in front of which its code has been read."""
    reader.raw(2)
    while reader.u8():
        pass


class Login:
    """The two phases of a login; both sides prove that they know the password."""

    def __init__(self, password: str) -> None:
        self._salt, self._session_salt = secrets.token_bytes(16), secrets.token_bytes(16)
        derived = hashlib.pbkdf2_hmac(
            "sha512", password.encode(), self._salt + b"AUTH_PBKDF2_SPEEDY_KEY", GENERATIONS, 64
        )
        self._hash = hashlib.sha512(derived + self._salt).digest()[:32]
        self._mine = secrets.token_bytes(32)
        self._password = password

    def challenge(self) -> dict[str, str]:
        """What phase one answers."""
        return {
            "AUTH_SESSKEY": _aes(self._hash, self._mine).hex().upper(),
            "AUTH_VFR_DATA": self._salt.hex().upper(),
            "AUTH_PBKDF2_CSK_SALT": self._session_salt.hex().upper(),
            "AUTH_PBKDF2_VGEN_COUNT": str(GENERATIONS),
            "AUTH_PBKDF2_SDER_COUNT": "3",
        }

    def proof(self, pairs: dict[str, str]) -> str | None:
        """The server's answer to phase two, or None when the password is another."""
        theirs = _unaes(self._hash, bytes.fromhex(pairs["AUTH_SESSKEY"]))[:32]
        both = (theirs + self._mine).hex().upper().encode()
        key = hashlib.pbkdf2_hmac("sha512", both, self._session_salt, 3, 32)
        given = _unaes(key, bytes.fromhex(pairs["AUTH_PASSWORD"]))
        if given[16 : -given[-1]] != self._password.encode():
            return None
        told = secrets.token_bytes(16) + b"SERVER_TO_CLIENT" + bytes([16]) * 16
        return _aes(key, told).hex().upper()


def _aes(key: bytes, data: bytes) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor()
    return cipher.update(data) + cipher.finalize()


def _unaes(key: bytes, data: bytes) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).decryptor()
    return cipher.update(data) + cipher.finalize()


def read_login(reader: Reader) -> tuple[str, dict[str, str]]:
    """User and pairs of a login message, behind its function code and sequence number."""
    has_user = reader.u8()
    reader.ub(), reader.ub(), reader.u8()
    count = reader.ub()
    reader.raw(2)
    user = reader.text() if has_user else ""
    pairs = {}
    for _ in range(count):
        key, value = reader.bytes_twice() or b"", reader.bytes_twice() or b""
        reader.ub()
        pairs[key.decode()] = value.decode()
    return user, pairs


def login_answer(pairs: dict[str, str]) -> bytes:
    """Message 8 with pairs."""
    parts = [b"\x08", ub(len(pairs))]
    for key, value in pairs.items():
        flags = VERIFIER_12C if key == "AUTH_VFR_DATA" else 0
        parts += [bytes_twice(key.encode()), bytes_twice(value.encode()), ub(flags)]
    return b"".join(parts)


__all__ = [
    "DATA", "DATA_TYPES_ANSWER", "RELEASES", "Login", "Release", "accept", "connect_data", "login_answer",
    "protocol_answer", "read_login", "refuse", "skip_data_types", "skip_protocol",
]  # fmt: skip
