"""Lines out of a body that arrives in pieces of any size, plain or as zstd frames."""

from __future__ import annotations

from collections.abc import Iterator

import zstandard


class StreamBroken(Exception):
    """What arrived is no stream of this protocol, or its end is missing: to be read again from the cursor."""


class LineDecoder:
    """Holds one line at most. A frame may end anywhere in a piece."""

    def __init__(self, content_encoding: str | None) -> None:
        """`content_encoding` is the response's header. Raises `StreamBroken` for any but zstd and none."""
        if content_encoding not in {None, "", "identity", "zstd"}:
            message = f"the body is encoded as {content_encoding}, which was not asked for"
            raise StreamBroken(message)
        self._zstd = content_encoding == "zstd"
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._between_frames = True
        self._rest: list[bytes] = []

    @property
    def is_between_lines(self) -> bool:
        """Whether the body may end here: inside no frame and no line."""
        return self._between_frames and not self._rest

    def decode(self, piece: bytes) -> Iterator[bytes]:
        """The lines that this piece completes, without their newlines."""
        if not self._zstd:
            yield from self._split(piece)
            return
        while piece:
            try:
                text = self._frame.decompress(piece)
            except zstandard.ZstdError as error:
                raise StreamBroken(f"a zstd frame is damaged: {error}") from None
            piece = self._frame.unused_data
            self._between_frames = self._frame.eof
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            yield from self._split(text)

    def _split(self, text: bytes) -> Iterator[bytes]:
        *lines, rest = text.split(b"\n")
        for line in lines:
            yield b"".join([*self._rest, line])
            self._rest.clear()
        if rest:
            self._rest.append(rest)
