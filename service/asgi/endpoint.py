"""A function from request to response, as an ASGI application."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Answer = Callable[[Request], Coroutine[Any, Any, Response]]
"""Answers a request, or raises an error that the application has a handler for."""


class Endpoint:
    """An endpoint for the Starlette routes that nearly all requests go to.

    Starlette would wrap a plain function in a second search for error handlers, inside the application's own. Where a
    request holds a single image, the time for that is noticeable.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = await self._answer(Request(scope, receive, send))
        await response(scope, receive, send)
