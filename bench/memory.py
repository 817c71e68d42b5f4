"""Memory of the running service's processes, read from `/proc`, so on Linux only."""

from __future__ import annotations

import os
from pathlib import Path

AVAILABLE = Path("/proc/self/statm").exists()
PARTS = {"API": "service.api", "model server": "service.model_server"}


def resident() -> dict[str, int]:
    """Return the bytes in memory of the API and of the model server that this process has started, by name."""
    commands = {pid: _command(pid) for pid in _descendants(os.getpid())}
    return {
        name: sum(_resident(pid) for pid, command in commands.items() if command[1:3] == ["-m", module])
        for name, module in PARTS.items()
    }


def _descendants(root: int) -> list[int]:
    """The processes that `root` has started, directly or through others."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found, pending = list[int](), [root]
    while pending:
        young = children.get(pending.pop(), [])
        found += young
        pending += young
    return found


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
