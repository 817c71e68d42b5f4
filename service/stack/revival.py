"""Starts an embedded Valkey again whenever it has ended, as it does where a write finds no room on the disk."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from latentaug.errors import Conflict, Unavailable
from latentaug.runtime import folders
from latentaug.runtime.processes import FIRST_PAUSE, LONGEST_PAUSE, STEADY
from service.stack.valkey import EmbeddedRedis

_log = logging.getLogger(__name__)


class Revival:
    """Keeps a server running, with a pause before each start that is longer while the server does not last.

    Args:
        redis: the server, which runs.
        home: the service's folder, in which there must be some room before the server is started.
    """

    def __init__(self, redis: EmbeddedRedis, home: Path) -> None:
        self._redis = redis
        self._home = home
        self._started = time.monotonic()
        self._pause = FIRST_PAUSE
        self._next_start: float | None = None

    def look(self) -> None:
        """Start the server if it has ended and the pause is over. Where it does not start, that is tried again."""
        now = time.monotonic()
        if self._redis.running():
            return
        if self._next_start is None:
            _log.warning("the embedded Valkey has ended; starting it again")
            self._pause = FIRST_PAUSE if now - self._started > STEADY else self._longer()
            self._next_start = now + self._pause
        if now >= self._next_start:
            self._start()

    def _start(self) -> None:
        self._redis.stop()
        try:
            folders.check(self._home.absolute(), "HOME", folders.ROOM)
            self._redis.start()
        except (Conflict, Unavailable, OSError) as error:
            self._pause = self._longer()
            self._next_start = time.monotonic() + self._pause
            _log.error("jobs wait, as the embedded Valkey cannot run; trying again in %g s: %s", self._pause, error)
        else:
            self._started = time.monotonic()
            self._next_start = None

    def _longer(self) -> float:
        return min(2 * self._pause, LONGEST_PAUSE)
