"""Disks that can be filled, and made read-only, while the service uses them. They need root, on Linux."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOM = 512
"""MiB of a disk, where nothing else is said."""
_FILLER = ".filler"


@contextmanager
def disk(folder: Path, megabytes: int = ROOM) -> Iterator[Path]:
    """Mount a disk of so many MiB, in memory, at `folder` for as long as the block lasts.

    Raises:
        PermissionError: this process may not mount anything.
    """
    folder.mkdir(parents=True)
    _mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Leave no room on the disk that `folder` is on, for as long as the block lasts."""
    filler = folder / _FILLER
    try:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:  # to the last page, however much others write or delete meanwhile
                file.write(bytes(_room(folder) or 4096))
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody write to the disk that is mounted at `folder`, for as long as the block lasts."""
    while True:
        with suppress(PermissionError):  # it is busy while somebody writes a file
            _mount("-o", "remount,ro", str(folder))
            break
        time.sleep(0.01)
    try:
        yield
    finally:
        _mount("-o", "remount,rw", str(folder))


def _room(folder: Path) -> int:
    """Bytes that can still be written, at most a mebibyte."""
    found = os.statvfs(folder)
    return min(found.f_bavail * found.f_frsize, 2**20)


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PermissionError(done.stderr.strip() or "this system mounts nothing")
