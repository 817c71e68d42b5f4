"""A stored file that is read in pieces, so that it is never in memory whole."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from latentaug.storage.objects import ArtefactStore

PIECE = 2**20
"""Bytes that are read at a time."""
_KEPT = 4
"""Pieces that are kept, as who reads a zip goes to and fro between its files."""


def pieces(store: ArtefactStore, path: str, start: int, stop: int, size: int = PIECE) -> Iterator[bytes]:
    """The bytes of a stored file from `start` up to `stop`, piece by piece, of `size` bytes each.

    Raises:
        NotFound: nothing is there, or no longer.
    """
    for place in range(start, stop, size):
        yield store.part(path, place, min(place + size, stop))


class StoredFile(io.RawIOBase):
    """A stored file, to be read from anywhere in it.

    Args:
        store: where it is.
        path: of the file.

    Raises:
        NotFound: nothing is there.
    """

    def __init__(self, store: ArtefactStore, path: str) -> None:
        self._store, self._path = store, path
        self._size = store.look(path).size
        self._place = 0
        self._pieces = OrderedDict[int, bytes]()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where it stands."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place.

        Raises:
            ValueError: it lies before the file.
        """
        place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        if place < 0:
            raise ValueError("a place before the file")
        self._place = place
        return place

    def readinto(self, buffer: Any) -> int:
        """Read what follows, up to the end of a piece."""
        if self._place >= self._size:
            return 0
        number, start = divmod(self._place, PIECE)
        found = self._piece(number)[start : start + len(buffer)]
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)

    def _piece(self, number: int) -> bytes:
        if number in self._pieces:
            self._pieces.move_to_end(number)
        else:
            start = number * PIECE
            self._pieces[number] = self._store.part(self._path, start, min(start + PIECE, self._size))
            if len(self._pieces) > _KEPT:
                self._pieces.popitem(last=False)
        return self._pieces[number]
