"""Packets on a socket: frames of at most the agreed size, and the markers of a break."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from dataclasses import dataclass
from typing import Final

CONNECT, ACCEPT, REFUSE, DATA, MARKER, CONTROL = 1, 2, 4, 6, 12, 14
BREAK, RESET, INTERRUPT = 1, 2, 3
HEADER: Final = 8
END_OF_FILE: Final = 0x0040
END_OF_RESPONSE: Final = 0x2000


class Gone(Exception):
    """The client closed the connection, or it was cut."""


@dataclass(frozen=True)
class Packet:
    """A frame without its header."""

    kind: int
    body: bytes


class Wire:
    """One client's socket. Frames carry 16 bits of length until ACCEPT, 32 after it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self.large = False
        self.size = 8192
        self.sent = 0  # bytes of answers, for faults that cut in the middle
        self.cut_after: int | None = None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def waiting(self, seconds: float) -> bool:
        """Whether something of the client is there within so many seconds."""
        return bool(self._buffer) or bool(select.select([self._sock], [], [], seconds)[0])

    def receive(self) -> Packet:
        """The next frame. Raises `Gone`."""
        head = self._take(HEADER)
        length = struct.unpack(">I" if self.large else ">H", head[: 4 if self.large else 2])[0]
        return Packet(head[4], self._take(length - HEADER))

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            try:
                data = self._sock.recv(262144)
            except OSError as error:
                raise Gone from error
            if not data:
                raise Gone
            self._buffer += data
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found

    def send(self, kind: int, body: bytes) -> None:
        """One frame."""
        self._write(self._head(kind, len(body)) + body)

    def send_data(self, message: bytes, *, ends: bool) -> None:
        """A message in as many frames as it takes; `ends`: the last one says that the answer is whole."""
        room = self.size - HEADER - 2
        frames = []
        for start in range(0, max(1, len(message)), room):
            part = message[start : start + room]
            flags = END_OF_RESPONSE if ends and start + room >= len(message) else 0
            frames += [self._head(DATA, len(part) + 2), flags.to_bytes(2, "big"), part]
        self._write(b"".join(frames))

    def send_marker(self, kind: int) -> None:
        self.send(MARKER, bytes([1, 0, kind]))

    def _head(self, kind: int, size: int) -> bytes:
        length = struct.pack(
            ">I" if self.large else ">HH", *([size + HEADER] if self.large else [size + HEADER, 0])
        )
        return length + bytes([kind, 0, 0, 0])

    def _write(self, data: bytes) -> None:
        if self.cut_after is not None and len(data) > self.cut_after:
            data = data[: self.cut_after]
            try:
                self._sock.sendall(data)
            finally:
                self.close()
            raise Gone
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise Gone from error
        self.sent += len(data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
