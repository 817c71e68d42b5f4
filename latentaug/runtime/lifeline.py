"""Processes that end with the process that started them, even when that one is killed with no time to clean up.

Run with `<parent> <command...>`, this file asks the kernel to send it SIGTERM when its parent ends (`prctl`), and then
becomes the command. On systems other than Linux it only becomes the command.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def tied(command: Sequence[str]) -> list[str]:
    """Return a command line that runs `command` so that it ends when this process ends.

    Start it from a thread that lives as long as this process, because it is the thread that the kernel watches.
    """
    return [sys.executable, "-IS", __file__, str(os.getpid()), *command]


def tie(parent: int, signal_number: int = signal.SIGTERM) -> None:
    """Have the kernel send `signal_number` to this process when its parent, the process `parent`, ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:  # the parent ended before we asked
        sys.exit(1)


if __name__ == "__main__":
    tie(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 (the command is the caller's own)
