"""The processes of a running stack, by what they do. Read from `/proc`, so on Linux only."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from bench import memory

Part = Literal["stack", "API", "model server", "Valkey", "worker", "queue", "fork server", "job"]
PARTS: tuple[Part, ...] = get_args(Part)
LASTING: tuple[Part, ...] = ("stack", "API", "model server", "Valkey", "worker", "queue", "fork server")
"""Those that always run; a job's process lives no longer than its job."""

_MODULES: dict[str, Part] = {
    "service.stack": "stack",
    "service.api": "API",
    "service.model_server": "model server",
    "worker.fork_server": "fork server",
}
_STANDS_STILL, _DEAD = "Tt", "ZX"


def find(root: int) -> dict[Part, list[int]]:
    """Return the processes of the stack whose process is `root`, by part; a part without any has an empty list."""
    found: dict[Part, list[int]] = {part: [] for part in PARTS}
    for pid in [root, *memory.descendants(root)]:
        part = _part(memory.command(pid))
        if part == "fork server" and memory.forked(pid):
            part = "job"
        if part is not None and there(pid):
            found[part].append(pid)
    return found


def runs(pid: int) -> bool:
    """Whether a process is there and does not stand still."""
    return state(pid) not in _STANDS_STILL + _DEAD


def there(pid: int) -> bool:
    """Whether a process has not ended."""
    return state(pid) not in _DEAD


def state(pid: int) -> str:
    """The state of a process as `/proc` has it: a letter, `X` where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def _part(words: list[str]) -> Part | None:
    if not words:
        return None
    if "valkey-server" in words[0]:
        return "Valkey"
    if words[1:3] == ["-m", "worker"]:
        return "queue" if "--queue" in words else "worker"
    return _MODULES.get(words[2]) if words[1:2] == ["-m"] and len(words) > 2 else None
