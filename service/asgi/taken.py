"""An answer that leaves this process only as fast as its caller takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PIECE = 2**20
"""Bytes that are handed to the server together."""


class TakenResponse(Response):
    """An answer that may be large. Whole, it would wait in the server while its request is over for all others.

    Args:
        parts: its bytes, in order; large parts are not put together, as they would be in memory twice.
        headers: of the answer, beside its length.
        media_type: its type, unless a header says that.
    """

    def __init__(
        self,
        parts: Sequence[bytes | memoryview],
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        self._pieces: Sequence[memoryview] = ()
        size = sum(map(len, parts))
        if size <= PIECE:
            super().__init__(b"".join(parts), headers=headers, media_type=media_type)
            return
        super().__init__(headers={**(headers or {}), "Content-Length": str(size)}, media_type=media_type)
        self._pieces = [memoryview(part)[i : i + PIECE] for part in parts for i in range(0, len(part), PIECE)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if not self._pieces:
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        last = len(self._pieces) - 1
        for i, piece in enumerate(self._pieces):
            await send({"type": "http.response.body", "body": piece, "more_body": i < last})
