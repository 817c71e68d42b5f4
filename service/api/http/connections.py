"""How many connections there may be: the idle ones give way, and a few stay free for those who ask after our health."""

from __future__ import annotations

import resource
from typing import Protocol

ROOM = 32
"""Connections beyond those that may have a request under way: for probes, and for the next caller to be heard."""
_EACH = 2
"""Descriptors that a connection takes: its own, and one to the model server while a request is computed."""
_BESIDE = 128
"""Descriptors for all else: Redis, the store, modules that are being imported."""


class Closable(Protocol):
    """A connection that can be given up."""

    def give_way(self) -> None:
        """Close at once."""


class Connections:
    """The open connections of a process, of which so many may have a request under way.

    Args:
        most: how many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy = set[Closable]()
        self._idle = dict[Closable, None]()  # the one that has been idle for longest comes first

    def opened(self, connection: Closable) -> None:
        """A new connection: where there are too many, the one that has been idle for longest gives way to it."""
        self._idle[connection] = None
        if len(self._busy) + len(self._idle) > self._most + ROOM:
            longest = next(iter(self._idle))  # the new one itself if all others are busy
            del self._idle[longest]
            longest.give_way()

    def asked(self, connection: Closable, *, for_health: bool) -> bool:
        """A connection has a request; return whether there is a place for it, as there always is for one of health."""
        if connection in self._busy or len(self._busy) < self._most or for_health:
            self._idle.pop(connection, None)
            self._busy.add(connection)
            return True
        return False

    def answered(self, connection: Closable) -> None:
        """A connection has its answer and waits for the next request."""
        if connection in self._busy:
            self._busy.remove(connection)
            self._idle[connection] = None

    def closed(self, connection: Closable) -> None:
        """A connection is no more."""
        self._busy.discard(connection)
        self._idle.pop(connection, None)


def affordable(wanted: int) -> int:
    """How many connections may have a request under way, at most `wanted`, for which there are enough descriptors.

    As many descriptors as are needed are asked for, and the system may give fewer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _BESIDE + _EACH * (wanted + ROOM)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, (soft - _BESIDE) // _EACH - ROOM))
