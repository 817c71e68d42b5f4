"""Limits the memory of a process: by a control group of Linux where this user may make one, or else by its own data.

In a control group everything counts, also pages of files that are kept in memory. Otherwise the limit is on a process's
own memory alone, so that a file which it maps may stay in memory whole; a page says which of the two it was.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_TRIES = 50


@dataclass(frozen=True)
class Limit:
    """A limit on memory that a process takes upon itself before its program starts.

    Attributes:
        size: bytes.
        group: folder of the control group; None where there is none.
        most: name of the file with the most bytes that the group has had.
    """

    size: int
    group: Path | None = None
    most: str = ""

    def take(self) -> None:
        """Limit this process from now on."""
        if self.group is None:
            resource.setrlimit(resource.RLIMIT_DATA, (self.size, self.size))
        else:
            (self.group / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def highest(self) -> int | None:
        """The most bytes that the group has had, pages of files included; None without a group."""
        return None if self.group is None else int((self.group / self.most).read_text())

    @property
    def told(self) -> str:
        """What is limited, in words."""
        if self.group is None:
            return "of its own memory; pages of files did not count"
        return "in a control group, in which pages of files count"


@contextmanager
def limit(size: int) -> Iterator[Limit]:
    """A limit of so many bytes; its control group, if there is one, is removed in the end."""
    made = _version_1(size) or _version_2(size) or Limit(size)
    try:
        yield made
    finally:
        _remove(made.group)


def _version_1(size: int) -> Limit | None:
    """Below this process's own group of the memory controller."""
    group = _own("memory", _ROOT / "memory")
    return None if group is None else _made(group, {"memory.limit_in_bytes": size}, size, "memory.max_usage_in_bytes")


def _version_2(size: int) -> Limit | None:
    group = _own("", _ROOT)
    return None if group is None else _made(group, {"memory.max": size, "memory.swap.max": 0}, size, "memory.peak")


def _own(controller: str, root: Path) -> Path | None:
    """The folder of this process's group."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            if controller in names.split(",") and (root / path.lstrip("/")).is_dir():
                return root / path.lstrip("/")
    return None


def _made(parent: Path, limits: dict[str, int], size: int, most: str) -> Limit | None:
    group = parent / f"latentaug-{os.getpid()}"
    try:
        group.mkdir()
        for file, value in limits.items():
            (group / file).write_text(str(value))
        (group / most).read_text()
    except OSError:  # this user may not, or the controller is not there
        _remove(group)
        return None
    return Limit(size, group, most)


def _remove(group: Path | None) -> None:
    if group is None or not group.is_dir():
        return
    for _ in range(_TRIES):
        with suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.1)  # its last process has not quite ended
