"""A way to a server on which things go wrong: it answers with an error, late, not to the end, or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import httpx

from tests.relay import HOST

_OWN = {"connection", "content-length", "date", "host", "server", "transfer-encoding"}
"""Headers that belong to one connection."""


class Asked(NamedTuple):
    """A request."""

    command: str
    path: str
    conditional: bool


class Trouble(Enum):
    """What goes wrong with a request."""

    BROKEN = 500
    BUSY = 503
    LOST = "it is done, and its answer is lost"
    CUT = "its answer breaks off in the middle"


class Way:
    """The way to a server.

    Attributes:
        url: where callers ask.
        asked: what they have asked for so far.
        trouble: says what goes wrong with a request, if anything does.
        delay: seconds by which each answer is late.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self.trouble: Callable[[Asked], Trouble | None] = lambda _: None
        self.delay = 0.0

    def once(self, *troubles: Trouble) -> None:
        """Have these go wrong with the next requests, in this order, and nothing afterwards."""
        left = list(troubles)
        self.trouble = lambda _: left.pop(0) if left else None


@contextmanager
def way(server_url: str) -> Iterator[Way]:
    """A way to the server at this URL, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, "If-None-Match" in self.headers)
            made.asked.append(asked)
            trouble = made.trouble(asked)
            time.sleep(made.delay)
            if trouble in (Trouble.BROKEN, Trouble.BUSY):
                self.send_response_only(trouble.value)
                self.end_headers()
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
            answer = httpx.request(self.command, server_url + self.path, content=body, headers=headers, timeout=60)
            if trouble is Trouble.LOST:
                return
            self.send_response_only(answer.status_code)
            for name, value in answer.headers.items():
                if name not in _OWN:
                    self.send_header(name, value)
            self.send_header("Content-Length", answer.headers.get("content-length", str(len(answer.content))))
            self.end_headers()
            self.wfile.write(answer.content[: len(answer.content) // 2] if trouble is Trouble.CUT else answer.content)

        do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = _pass_on  # noqa: N815 (the names that it calls)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Handler) as listening:
        made = Way(f"http://{HOST}:{listening.server_port}")
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield made
        listening.shutdown()
        thread.join()
