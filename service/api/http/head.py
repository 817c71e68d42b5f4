"""HEAD, wherever there is GET."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """ASGI middleware: answers HEAD as it would answer GET, but without the content (RFC 9110, section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def headers_only(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                # At once, so that a stream of events sees that its caller has gone, and ends.
                await send({"type": "http.response.body"})

        asked = {**scope, "method": "GET"}
        try:
            await self._app(asked, receive, headers_only)
        finally:
            scope["route"] = asked.get("route")  # for the metrics
