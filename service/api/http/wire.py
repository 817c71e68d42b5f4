"""HTTP as it comes in: uvicorn's protocol, with bounds on what a caller may send before any of our code is asked.

uvicorn itself keeps header lines without end; it waits without end for the last of them, for the rest of a body that
nobody reads and for callers that do not take their answers; and it accepts connections while there are descriptors.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from collections.abc import Callable
from http import HTTPStatus
from itertools import chain
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from latentaug.errors import HeadTooLarge, LatentaugError, MalformedInput, Stalled, Unavailable
from service.api.http import problems
from service.api.http.connections import Connections
from service.api.http.limits import ARRIVED

MOST_BYTES = 2**16
"""In the first line and the headers of a request together, and in whatever else comes that is no part of a body."""
MOST_HEADERS = 200
SECONDS = 15.0
"""Within which the whole head of a request must come, from its first byte on; and a first request, from the start; and
what is left of a body, once its request is answered."""
TAKING_SECONDS = 30.0
"""Seconds in each of which callers must take `TAKEN_BYTES` of an answer that waits for them."""
TAKEN_BYTES = 2**15
FOR_HEALTH = (b"/healthz", b"/readyz")
"""Ends of the paths for which there is always a place."""
_RETRY_SECONDS = 2.0


class Bounded(HttpToolsProtocol):
    """Serves one connection.

    Args:
        connections: all those of this process.
    """

    def __init__(self, *args: Any, connections: Connections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._among = connections
        self._idle_bytes = 0  # since a head or a part of a body was complete
        self._deadline: TimerHandle | None = None
        self._taking: TimerHandle | None = None
        self._refusal: LatentaugError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request, for a time."""
        super().connection_made(transport)
        self._expect()
        self._among.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._among.closed(self)
        self._expect_nothing()
        self._watch_no_longer()
        super().connection_lost(exc)

    def give_way(self) -> None:
        """Close at once."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse what has come, unless too much has come to no use."""
        if self.transport.is_closing():
            return
        self._idle_bytes += len(data)
        super().data_received(data)
        if self._idle_bytes > MOST_BYTES:
            self._refuse(_too_large())
        elif self._deadline is None and self._answered():
            self._expect()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or one of the trailers of a body."""
        if len(self.headers) == MOST_HEADERS:
            self._stop(_too_large())
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start to answer."""
        if len(self.url) + sum(map(len, chain.from_iterable(self.headers))) > MOST_BYTES:
            self._stop(_too_large())
        path = self.url.partition(b"?")[0]
        if not self._among.asked(self, for_health=path.endswith(FOR_HEALTH)):
            self._stop(Unavailable("too many requests are under way; try again shortly", retry_after=_RETRY_SECONDS))
        self._idle_bytes = 0
        self._expect_nothing()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of a body."""
        self._idle_bytes = 0
        self.scope[ARRIVED] = True  # type: ignore[literal-required]
        if self._answered():
            self._expect_nothing()  # the time for the next head begins anew
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of a body that nobody reads."""
        more_body = self.cycle.more_body
        super().on_response_complete()
        if self._answered():  # otherwise the next request came while this one was answered
            self._among.answered(self)
            if more_body and not self.transport.is_closing():
                self._expect()

    def pause_writing(self) -> None:
        """See to it that the caller goes on taking its answer."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """The caller has taken nearly all that there was."""
        self._watch_no_longer()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or what was refused while it was parsed, with a problem document, and hang up."""
        self._refuse(self._refusal or MalformedInput("this is not HTTP/1.1; send a request as RFC 9112 has it"))

    def _stop(self, refusal: LatentaugError) -> None:
        """Have the parser, which calls this, stop and call `send_400_response`."""
        self._refusal = refusal
        raise refusal

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

    def _expect(self) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(SECONDS, self._give_up)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _watch(self, unsent: int) -> None:
        """Look again whether the caller has taken enough of what was `unsent`."""
        self._watch_no_longer()
        self._taking = self.loop.call_later(TAKING_SECONDS, self._has_taken, unsent)

    def _watch_no_longer(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _has_taken(self, unsent: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left > unsent - TAKEN_BYTES:
            self.transport.abort()
        else:
            self._watch(left)


def bounded(most: int) -> Callable[..., Bounded]:
    """What makes a protocol for each connection of a process, of which `most` may have a request under way."""
    connections = Connections(most)
    return lambda *args, **kwargs: Bounded(*args, connections=connections, **kwargs)


def _too_large() -> LatentaugError:
    return HeadTooLarge(
        f"the headers of the request and its first line have more than {MOST_BYTES} bytes, or there are more than "
        f"{MOST_HEADERS} headers; send options in the body, as JSON"
    )
