"""A disk of its own for a test, small enough to be filled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from bench.chaos import disks


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a small disk at a folder, where this user may."""
    with ExitStack() as mounted:
        try:
            disk = mounted.enter_context(disks.disk(folder, megabytes))
        except PermissionError:
            pytest.skip("this user may not mount a file system in memory")
        yield disk
