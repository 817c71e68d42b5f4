"""The short way from a socket to an endpoint, for the few paths that nearly all requests are sent to.

Routing, injected dependencies and exit stacks cost the same for each request. Beside a job that is nothing, but of a
request for a single image it is a good part; `make bench-serving` measures such requests.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

Serve = Callable[[Request], Awaitable[Response]]


class ShortWay:
    """ASGI middleware: what is posted to one of some paths goes straight to its function, all else to the application.

    Args:
        app: the application, which has routes for these paths too: they are its contract, and answer other methods.
        path: pattern of the whole path; its named groups are the request's path parameters.
        serve: answers such a request, with its errors too.
    """

    def __init__(self, app: ASGIApp, path: re.Pattern[str], serve: Serve) -> None:
        self._app = app
        self._path = path
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        posted = scope["type"] == "http" and scope["method"] == "POST"
        found = self._path.fullmatch(scope["path"]) if posted else None
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["path_params"] = found.groupdict()
        scope["endpoint"] = self._serve  # for traces
        response = await self._serve(Request(scope, receive, send))
        await response(scope, receive, send)
