"""Processes that are started again whenever they end, until all are stopped together."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import FrameType

from latentaug.runtime.lifeline import tied
from latentaug.runtime.stillness import Stillness

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds before a process that has ended is started again; doubled each time that it lived for less than `STEADY`."""
STEADY = 30.0
"""Seconds after which a process that ends is taken to have worked well until then."""
MISCONFIGURED = 2
"""Exit status of a process that has found its settings wrong and has said so; starting it again would not help."""

_log = logging.getLogger(__name__)


class ModuleProcess:
    """A Python module run as a process of its own, which ends when this process ends.

    Args:
        arguments: the module and its arguments, as after `python -m`.
        variables: environment variables added to this process's.
        inherits: the open files, by number, that it has in common with this process.
    """

    def __init__(self, arguments: Sequence[str], variables: Mapping[str, str], inherits: Sequence[int] = ()) -> None:
        self.arguments = list(arguments)
        self._inherits = inherits
        self._environment = {**os.environ, **variables}
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = FIRST_PAUSE
        self._next_start = 0.0
        self._stillness = Stillness()

    @property
    def status(self) -> int | None:
        """The exit status, once the process has ended and until `keep_running` starts it again; None otherwise."""
        return None if self._process is None else self._process.poll()

    def keep_running(self) -> None:
        """Start the process if it is not running and its pause is over; kill it if it has stood still for too long."""
        now = time.monotonic()
        if self._process is not None:
            if self._process.poll() is None:
                if self._stillness.too_long(self._process.pid):
                    _log.warning("%s stands still; killing it", self.arguments)
                    self._process.kill()
                return
            self._pause = FIRST_PAUSE if now - self._started > STEADY else min(2 * self._pause, LONGEST_PAUSE)
            self._next_start = now + self._pause
            _log.warning("%s ended with %s; starting it again", self.arguments, self._process.returncode)
            self._process = None
        if now >= self._next_start:
            # In a process group of its own, so that Ctrl+C reaches only the process that stops all others in order.
            command = tied([sys.executable, "-m", *self.arguments])
            self._process = subprocess.Popen(  # noqa: S603
                command, env=self._environment, process_group=0, pass_fds=self._inherits
            )
            self._started = now

    def ask_to_stop(self) -> None:
        """Send the process SIGTERM, if it was started."""
        if self._process is not None:
            self._process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait until the process has ended, and kill it at `deadline`, on the clock of `time.monotonic`."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.warning("%s did not stop in time; killing it", self.arguments)
            self._process.kill()
            self._process.wait()
        self._process = None


def told_to_stop(numbers: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT)) -> threading.Event:
    """Return what is set once this process gets one of these signals."""
    told = threading.Event()

    def tell(signal_number: int, frame: FrameType | None) -> None:
        told.set()

    for number in numbers:
        signal.signal(number, tell)
    return told


def stop(processes: Sequence[ModuleProcess], seconds: float) -> None:
    """Ask all processes to stop, and kill those that have not stopped after `seconds`."""
    deadline = time.monotonic() + seconds
    for process in processes:
        process.ask_to_stop()
    for process in processes:
        process.wait(deadline)
