"""How many bytes of images all requests under way hold together, so that no few of them use up the memory."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request

from latentaug.errors import TooManyRequests
from service.asgi.endpoint import afterwards

SMALL = 2**20
"""Bytes that are not worth being counted."""
RETRY_SECONDS = 2.0
_OWN = "latentaug.held"


class Holding:
    """Counts these bytes. Used from one event loop.

    Args:
        most: how many there may be; a request is always served while no other holds any.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    def hold(self, request: Request, size: int) -> None:
        """Count bytes that a request holds until it is answered.

        Raises:
            TooManyRequests: there would be too many.
        """
        if size <= SMALL:
            return
        own: int = request.scope.get(_OWN, 0)
        if self._held > own and self._held + size > self._most:
            raise TooManyRequests(
                "other large requests are under way, and with this one there would be too many images in memory; try "
                "again soon, or send fewer images",
                retry_after=RETRY_SECONDS,
            )
        self._held += size
        request.scope[_OWN] = own + size
        afterwards(request, partial(self._let_go, size))

    def _let_go(self, size: int) -> None:
        self._held -= size
