"""HTTP as it comes in: uvicorn's protocol, with bounds on what a caller may send before any of our code is asked.

uvicorn itself keeps header lines without end, and waits without end for the last of them.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from latentaug.errors import HeadTooLarge, LatentaugError, MalformedInput, Stalled
from service.api.http import problems

MOST_BYTES = 2**16
"""In the first line and the headers of a request together, and in whatever else comes that is no part of a body."""
MOST_HEADERS = 200
SECONDS = 15.0
"""Within which the whole head of a request must come, from its first byte on; and a first request, from the start."""


class BoundedHeads(HttpToolsProtocol):
    """Serves one connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle_bytes = 0  # since a head or a part of a body was complete
        self._deadline: TimerHandle | None = None
        self._refusal: LatentaugError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request, for a time."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._expect_no_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, unless too much has come to no use."""
        if self.transport.is_closing():
            return
        self._idle_bytes += len(data)
        super().data_received(data)
        if self._idle_bytes > MOST_BYTES:
            self._refuse(_too_large())
        elif self._idle_bytes and self._deadline is None and self._answered():
            self._deadline = self.loop.call_later(SECONDS, self._give_up)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or one of the trailers of a body."""
        if len(self.headers) == MOST_HEADERS:
            self._refusal = _too_large()
            raise self._refusal  # to the parser, which then calls `send_400_response`
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start to answer."""
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MOST_BYTES:
            self._refusal = _too_large()
            raise self._refusal
        self._idle_bytes = 0
        self._expect_no_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of a body."""
        self._idle_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or what was refused while it was parsed, with a problem document, and hang up."""
        self._refuse(self._refusal or MalformedInput("this is not HTTP/1.1; send a request as RFC 9112 has it"))

    def _refuse(self, error: LatentaugError) -> None:
        if self._answered() and not self.transport.is_closing():  # otherwise another answer is on its way
            answer = problems.of_error(error)
            answer.headers["Connection"] = "close"
            lines = [b"%s: %s\r\n" % header for header in answer.raw_headers]
            status = f"HTTP/1.1 {answer.status_code} {HTTPStatus(answer.status_code).phrase}\r\n".encode()
            self.transport.write(b"".join([status, *lines, b"\r\n", bytes(answer.body)]))
        self.transport.close()

    def _give_up(self) -> None:
        if self._idle_bytes:
            self._refuse(Stalled(f"the head of the request did not come within {SECONDS:g} seconds; send it again"))
        else:
            self.transport.close()

    def _answered(self) -> bool:
        """Whether no request of this connection waits for its answer."""
        return self.cycle is None or self.cycle.response_complete

    def _expect_no_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _too_large() -> LatentaugError:
    return HeadTooLarge(
        f"the headers of the request and its first line have more than {MOST_BYTES} bytes, or there are more than "
        f"{MOST_HEADERS} headers; send options in the body, as JSON"
    )
