"""A stored file as a file of this machine, to be mapped into memory where it may be larger than that."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from latentaug.storage.files import pieces
from latentaug.storage.objects import ABANDONED, ArtefactStore, told

MOST_BYTES = 2**36
"""Bytes of copies of files that are kept for the next time; the one that was just asked for may be larger."""
_BEGUN = ".begun"
_PIECE = 2**24


def local_file(store: ArtefactStore, path: str, copies: Path, name: str) -> Path:
    """Where a stored file is on this machine: in the store's own folder, or else copied into `copies`.

    Copies that have not been asked for the longest are deleted where all together would be too large. Whoever has
    mapped one of them keeps what was mapped.

    Args:
        store: where it is.
        path: its path there.
        copies: a folder for copies, made where it is missing.
        name: what its copy is called, which no other version of the file may be.

    Raises:
        NotFound: nothing is stored there.
        NotStored: there is no room for a copy.
    """
    if (own := store.local(path)) is not None:
        return own
    size, copy = store.look(path).size, copies / name
    with told():
        copies.mkdir(parents=True, exist_ok=True)
        if copy.exists() and copy.stat().st_size == size:
            os.utime(copy)
            return copy
        _make_room(copies, MOST_BYTES - size)
        begun = copies / f"{uuid4().hex}{_BEGUN}"
        try:
            with begun.open("wb") as file:
                file.writelines(pieces(store, path, 0, size, _PIECE))
            begun.replace(copy)
        finally:
            begun.unlink(missing_ok=True)
    return copy


def _make_room(copies: Path, most: int) -> None:
    """Delete copies that were not used for the longest until there are at most so many bytes of them."""
    found, oldest = list[tuple[float, int, Path]](), time.time() - ABANDONED.total_seconds()
    for file in copies.iterdir():
        with suppress(FileNotFoundError):  # another process makes room too
            state = file.stat()
            if file.suffix != _BEGUN:
                found.append((state.st_mtime, state.st_size, file))
            elif state.st_mtime < oldest:
                file.unlink()
    held = sum(size for _, size, _ in found)
    for _, size, file in sorted(found):
        if held <= most:
            break
        file.unlink(missing_ok=True)
        held -= size
