"""The few places for uploads, of which each may have a whole data set in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from latentaug.errors import Stalled, TooManyRequests

RETRY_SECONDS = 5.0
WANTED_SECONDS = 30.0
"""Seconds for which somebody who found no place is taken to wait for one."""
FREE_SECONDS = 60.0
"""Seconds that an upload may take in any case."""
BYTES_PER_SECOND = 2**19
"""Rate that gives an upload more time, while others wait for its place."""


class Places:
    """Gives out places. Used from one event loop.

    Args:
        count: how many there are.
        clock: tells the seconds.
    """

    def __init__(self, count: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._free = count
        self._clock = clock
        self._wanted_until = clock()

    @contextmanager
    def one(self) -> Iterator[Place]:
        """Hold a place.

        Raises:
            TooManyRequests: there is none.
        """
        if not self._free:
            self._wanted_until = self._clock() + WANTED_SECONDS
            raise TooManyRequests("other data sets are being uploaded; try again soon", retry_after=RETRY_SECONDS)
        self._free -= 1
        try:
            yield Place(self._clock, lambda: self._clock() < self._wanted_until)
        finally:
            self._free += 1


class Place:
    """A place that an upload has, for as long as it comes in quickly or nobody else wants it.

    Args:
        clock: tells the seconds.
        wanted: whether somebody waits for it.
    """

    def __init__(self, clock: Callable[[], float], wanted: Callable[[], bool]) -> None:
        self._clock, self._wanted = clock, wanted
        self._began, self._bytes = clock(), 0

    def room(self, size: int) -> None:
        """Note that more bytes have come in.

        Raises:
            Stalled: it has taken too long for others to wait any longer.
        """
        self._bytes += size
        least = FREE_SECONDS + self._bytes / BYTES_PER_SECOND
        if self._clock() - self._began > least and self._wanted():
            raise Stalled(
                f"others wait to upload, and after {self._bytes} bytes this has taken more than {least:.0f} seconds; "
                "send it again when fewer do, or where the connection is better"
            )
