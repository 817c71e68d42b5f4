"""Processes that stand still: SIGSTOP holds them until somebody sends SIGCONT, which may be never."""

from __future__ import annotations

import time
from pathlib import Path

STILL_SECONDS = 30.0
"""Seconds for which a process may stand still before whoever keeps it running kills it and starts it again."""

_STOPPED = "T"  # as proc(5) has it; under a debugger it is `t`, and is left alone


class Stillness:
    """How long a process has stood still. Nothing is known of that on systems other than Linux."""

    def __init__(self) -> None:
        self._since: float | None = None

    def too_long(self, pid: int) -> bool:
        """Whether the process `pid` has stood still for too long; ask again and again, always of the same one."""
        if not _stopped(pid):
            self._since = None
            return False
        now = time.monotonic()
        if self._since is None:
            self._since = now
        return now - self._since > STILL_SECONDS


def _stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == _STOPPED
    except (FileNotFoundError, ProcessLookupError):
        return False
