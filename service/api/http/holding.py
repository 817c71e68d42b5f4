"""How many bytes all requests under way hold together, so that no few of them use up the memory.

Counted are bodies as they come in, images as they are decoded, and answers before they are computed.
"""

from __future__ import annotations

from functools import partial
from threading import Lock

from starlette.requests import Request

from latentaug.allocator import give_back_aside
from latentaug.errors import TooManyRequests
from service.asgi.endpoint import afterwards

SMALL = 2**20
"""Bytes of a request that are not worth being counted."""
LARGE = 2**25
"""Bytes that are given back to the system at once when a request lets go of more of them."""
RETRY_SECONDS = 2.0
_OWN = "latentaug.held"


class Holding:
    """Counts these bytes, also from threads that decode.

    Args:
        most: how many there may be; a request is always served while no other holds any.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._lock = Lock()

    def hold(self, request: Request, size: int) -> None:
        """Count bytes that a request holds besides, until it is answered or lets go of them.

        Raises:
            TooManyRequests: there would be too many.
        """
        own: int = request.scope.get(_OWN, 0)
        if own + size <= SMALL:  # as of nearly all requests, which then need no lock
            request.scope[_OWN] = own + size
            return
        with self._lock:
            others, wanted = self._held - _counted(own), own + size
            if others and others + wanted > self._most:
                raise TooManyRequests(
                    "other large requests are under way, and with this one there would be too many images in memory; "
                    "try again soon, or send fewer images",
                    retry_after=RETRY_SECONDS,
                )
            if own <= SMALL:
                afterwards(request, partial(self.keep, request, 0))
            self._set(request, wanted)

    def let_go(self, request: Request, size: int) -> None:
        """Count bytes no longer, of those that a request held."""
        self.keep(request, request.scope[_OWN] - size)

    def keep(self, request: Request, size: int) -> None:
        """Count so many bytes of a request and no more, as it has let go of all others."""
        if max(size, request.scope.get(_OWN, 0)) <= SMALL:
            request.scope[_OWN] = size
            return
        with self._lock:
            freed = request.scope.get(_OWN, 0) - size
            self._set(request, size)
        if freed > LARGE:
            give_back_aside()

    def _set(self, request: Request, size: int) -> None:
        self._held += _counted(size) - _counted(request.scope.get(_OWN, 0))
        request.scope[_OWN] = size


def _counted(size: int) -> int:
    return size if size > SMALL else 0
