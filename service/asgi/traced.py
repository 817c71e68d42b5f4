"""ASGI middleware for both servers: makes each request a span in its caller's trace."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from latentaug.runtime import logs, tracing

UNTRACED = {"/healthz", "/readyz", "/metrics", "/metrics/model-server", "/v2/health/live", "/v2/health/ready"}
"""Paths that probes ask for every few seconds; their spans would tell nobody anything."""


class Traced:
    """Makes a span of each request, with the method, the template of the route and the status."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in UNTRACED or not tracing.active():
            await self._app(scope, receive, send)
            return
        with tracing.span(scope["method"], "SERVER", Headers(scope=scope)) as span:

            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                    span.attributes["http.response.status_code"] = status
                    if status >= 500:
                        span.fault = f"answered with {status}"
                await send(message)

            try:
                await self._app(scope, receive, watched)
            finally:
                route = getattr(scope.get("route"), "path", "unmatched")
                span.name = f"{scope['method']} {route}"
                span.attributes |= {"http.request.method": scope["method"], "http.route": route}
                if (current := logs.request_id.get()) is not None:
                    span.attributes["latentaug.request_id"] = current
