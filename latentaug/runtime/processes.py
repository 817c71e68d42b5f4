"""Child processes that are started again whenever they end, and all stopped at the end."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from latentaug.runtime.lifeline import tied

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds before a process that has ended is started again; doubled each time it lived for less than `STEADY`."""
STEADY = 30.0
MISCONFIGURED = 2
"""Exit status of a process that cannot start with its settings, and has said why; to start it again is no use."""

_log = logging.getLogger(__name__)


class Child:
    """A Python module run as a process of its own, which ends when this process ends.

    Args:
        arguments: the module and its arguments, as after `python -m`.
        variables: environment variables added to this process's.
    """

    def __init__(self, arguments: Sequence[str], variables: Mapping[str, str]) -> None:
        self.arguments = list(arguments)
        self._environment = {**os.environ, **variables}
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = FIRST_PAUSE
        self._next_start = 0.0

    @property
    def status(self) -> int | None:
        """The exit status where it has ended and was not yet seen to by `keep_running`, else None."""
        return None if self._process is None else self._process.poll()

    def keep_running(self) -> None:
        """Start it if it does not run and its pause is over."""
        now = time.monotonic()
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._pause = FIRST_PAUSE if now - self._started > STEADY else min(2 * self._pause, LONGEST_PAUSE)
            self._next_start = now + self._pause
            _log.warning("%s ended with %s; starting it again", self.arguments, self._process.returncode)
            self._process = None
        if now >= self._next_start:
            # A group of its own, so that Ctrl+C reaches only whoever started everything, who stops all in order.
            command = tied([sys.executable, "-m", *self.arguments])
            self._process = subprocess.Popen(command, env=self._environment, process_group=0)  # noqa: S603
            self._started = now

    def ask_to_stop(self) -> None:
        """Send it SIGTERM."""
        if self._process is not None:
            self._process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait until it has ended; kill it at `deadline` (of `time.monotonic`)."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.warning("%s did not stop in time; killing it", self.arguments)
            self._process.kill()
            self._process.wait()
        self._process = None


def stop(children: Sequence[Child], seconds: float) -> None:
    """Ask all to stop, and kill those that have not after `seconds`."""
    deadline = time.monotonic() + seconds
    for child in children:
        child.ask_to_stop()
    for child in children:
        child.wait(deadline)
