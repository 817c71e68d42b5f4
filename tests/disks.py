"""A disk of its own for a test, small enough to be filled."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PIECE = 64 * 2**10


class SmallDisk:
    """A file system in memory that can be filled, freed, and made read-only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no room at all."""
        with self._filler.open("ab", buffering=0) as file:
            for piece in (PIECE, 1):
                try:
                    while True:
                        file.write(bytes(piece))
                except OSError as error:
                    assert error.errno == errno.ENOSPC

    def free(self) -> None:
        """Make room again."""
        self._filler.unlink()

    def allow_writing(self, allowed: bool) -> None:
        """Mount it for reading only, or for writing again."""
        _mount("-o", f"remount,{'rw' if allowed else 'ro'}", str(self.folder))


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount a small disk at a folder, where this user may."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a file system in memory")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)
