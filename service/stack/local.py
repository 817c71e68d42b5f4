"""The whole service in a process of its own, for as long as a `with` block lasts.

The command line and the examples use it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from latentaug.errors import Unavailable
from latentaug.runtime import folders
from latentaug.runtime.lifeline import tied
from service.stack import health, ports

HOST = "127.0.0.1"
START_TIMEOUT = 90.0
"""Seconds within which the service must be ready; its first imports from a cold disk may take most of them."""
STOP_TIMEOUT = 60.0
"""Seconds within which the service must have stopped."""
POLL = 0.2
"""Seconds between two checks whether it is ready."""


@contextmanager
def local_service(home: Path, environment: Mapping[str, str], *, computing: bool = True) -> Iterator[str]:
    """Start `python -m service.stack` on a free port, yield its URL once it is ready, and stop it at the end.

    Args:
        home: folder for what the service writes; its log is the file `service.log` in it.
        environment: all environment variables of the service; its home, host and port are set here.
        computing: as for `run`.

    Raises:
        Conflict: its home cannot be written to, or has no room.
        Unavailable: it does not become ready, or does not stop.
    """
    folders.check(home.absolute(), "HOME", folders.ROOM)
    port = ports.free(HOST)
    own = {"LATENTAUG_HOME": str(home), "LATENTAUG_HOST": HOST, "LATENTAUG_PORT": str(port)}
    with (home / "service.log").open("wb") as log:
        options = ["--passing"] if computing else ["--passing", "--api-only"]
        command = tied([sys.executable, "-m", "service.stack", *options])
        stack = subprocess.Popen(command, env={**environment, **own}, stdout=log, stderr=log)  # noqa: S603
        try:
            url = health.url(HOST, port)
            _wait(stack, url, home, computing)
            yield url
        finally:
            _stop(stack)


def _wait(stack: subprocess.Popen[bytes], url: str, home: Path, computing: bool) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not health.ready(url, computing=computing):
        if stack.poll() is not None or time.monotonic() > deadline:
            raise Unavailable(f"the local service did not become ready{_why(home / 'service.log')}")
        time.sleep(POLL)


def _why(log: Path) -> str:
    """The last error in a service's log, or where that log is."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line.partition(" ERROR ")[2].partition(": ")[2] for line in lines if " ERROR " in line]
    return f": {errors[-1]}" if errors and errors[-1] else f"; its log {log} says why"


def _stop(stack: subprocess.Popen[bytes]) -> None:
    stack.send_signal(signal.SIGTERM)
    try:
        stack.wait(timeout=STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        stack.kill()
        raise Unavailable(
            f"the local service did not stop within {STOP_TIMEOUT:.0f} s and was killed; please report this"
        ) from None
