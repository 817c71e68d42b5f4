"""A file that is taken away as it is written, so that it is never in memory whole."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

PIECE = 2**20
"""Bytes that a piece has, about."""


class Growing(io.RawIOBase):
    """A file that is written from front to back and taken away as it grows; what was taken can be changed no more."""

    def __init__(self) -> None:
        self._rest = io.BytesIO()
        self._taken = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """Within what was not taken yet."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes where it stands."""
        return self._rest.write(data)

    def tell(self) -> int:
        """Where in the whole file it stands."""
        return self._taken + self._rest.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place that was not taken yet."""
        return self._taken + self._rest.seek(offset - self._taken if whence == io.SEEK_SET else offset, whence)

    def take(self, least: int = 0) -> Iterator[bytes]:
        """What is there, if that is more than `least` bytes; it must stand at its end."""
        if self._rest.tell() > least:
            piece = self._rest.getvalue()
            self._taken += len(piece)
            self._rest = io.BytesIO()
            yield piece


def joined(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Small parts put together to pieces."""
    held, size = list[bytes](), 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= PIECE:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
