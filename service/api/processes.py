"""Several API processes that listen on the same sockets: the system gives each connection to one of them.

What the settings allow in one process is shared out among them. What they count for callers they count in Redis.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from socket import socket

from latentaug.errors import Conflict
from latentaug.runtime import sockets
from latentaug.runtime.processes import MISCONFIGURED, ModuleProcess, stop, told_to_stop
from latentaug.runtime.settings import Settings

POLL = 0.2
"""Seconds between two looks at the processes."""
FIRST_SECONDS = 30.0
"""Seconds within which a process that says that its settings are wrong ends all: later it is started again."""
STOP_SECONDS = 1.0
"""Seconds beyond the drain time after which a process that does not stop is killed."""
PREFIX = "latentaug-"
"""What the name of the folder with their sockets begins with."""
SHARED_OUT = ("max_connections", "max_held_bytes")
"""Settings that say what all processes together may have at once."""


def share(settings: Settings) -> Settings:
    """The settings of one of the processes."""
    parts = {name: max(1, getattr(settings, name) // settings.api_processes) for name in SHARED_OUT}
    return settings.model_copy(update=parts)


def check_room() -> None:
    """Make sure that the sockets at which the processes tell their metrics can be where they will be.

    Raises:
        Conflict: the path of the system's temporary folder is too long.
    """
    if len(os.fsencode(tempfile.gettempdir())) + len(f"/{PREFIX}xxxxxxxx/00") > sockets.LONGEST_PATH:
        raise Conflict(f"the path of the temporary folder {tempfile.gettempdir()} is too long; set a shorter TMPDIR")


def supervise(settings: Settings, listeners: Sequence[socket]) -> int:
    """Run all processes until SIGTERM or SIGINT; one that ends is started again.

    Args:
        settings: of all of them together.
        listeners: what they listen on.

    Returns:
        The exit status: 0, or `MISCONFIGURED` if a process cannot start with its settings.
    """
    end = told_to_stop()
    files = [listener.fileno() for listener in listeners]
    listening = [word for file in files for word in ("--listener", str(file))]
    with ExitStack() as until_the_end:
        folder = until_the_end.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX))
        processes = [
            ModuleProcess(["service.api", "--own", f"{folder}/{number}", *listening], {}, inherits=files)
            for number in range(settings.api_processes)
        ]
        until_the_end.callback(stop, processes, settings.drain_seconds + STOP_SECONDS)
        for listener in listeners:
            until_the_end.callback(listener.close)  # first, so that nobody connects to where nobody answers any more
        began = time.monotonic()
        while not end.is_set():
            for process in processes:
                if process.status == MISCONFIGURED and time.monotonic() - began < FIRST_SECONDS:
                    return MISCONFIGURED
                process.keep_running()
            end.wait(POLL)
    return 0
