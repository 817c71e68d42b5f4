"""A function from request to response, as an ASGI application."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Answer = Callable[[Request], Coroutine[Any, Any, Response]]
"""Answers a request, or raises an error that the application has a handler for."""
WARNINGS_HEADER = "Image-Warnings"
"""Header of an answer that says, as a JSON array of sentences, what about the images may not be as it was meant."""
MOST_WARNINGS, MOST_WARNING_BYTES = 8, 4096
_WARNINGS, _AFTERWARDS = "latentaug.warnings", "latentaug.afterwards"


def tell(request: Request, warnings: list[str]) -> None:
    """Have the answer to this request tell these warnings, and those that are added to the list later on."""
    request.scope[_WARNINGS] = warnings


def afterwards(request: Request, act: Callable[[], None]) -> None:
    """Have something done once the request is answered, or has failed, and its answer is sent or given up."""
    request.scope[_AFTERWARDS].append(act)


def begin(scope: Scope) -> list[Callable[[], None]]:
    """Begin to answer a request; return the list of what its caller shall do once it is answered (`afterwards`)."""
    acts: list[Callable[[], None]] = []
    scope[_AFTERWARDS] = acts  # a copy of the scope has the same list
    return acts


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
        if warnings := scope.get(_WARNINGS):
            response.headers[WARNINGS_HEADER] = _in_a_line(warnings[:MOST_WARNINGS])
        await response(scope, receive, send)


def _in_a_line(warnings: list[str]) -> str:
    """Sentences as JSON, the longest cut as far as needed for all to have `MOST_WARNING_BYTES`; they may name files."""
    while len(line := json.dumps(warnings)) > MOST_WARNING_BYTES:
        longest = max(warnings, key=lambda text: len(json.dumps(text)))
        cut = longest[: len(longest) * 3 // 4] + "..."
        warnings = [cut if text == longest else text for text in warnings]
    return line
