"""The log of requests, each with its id."""

from __future__ import annotations

import logging
import random
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from latentaug.runtime.logs import request_id
from service.api.http import problems
from service.asgi import headers
from service.asgi.endpoint import begin

logger = logging.getLogger("latentaug.api")

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_random = random.Random()  # noqa: S311  ids tell requests apart, and need not be hard to guess


class RequestLog:
    """ASGI middleware: gives each request an id (`X-Request-ID`), logs it, and answers errors that nothing caught."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = headers.sent(scope, b"x-request-id") or ""
        current = sent if _ID.fullmatch(sent) else f"{_random.getrandbits(128):032x}"
        token = request_id.set(current)
        started = time.perf_counter()
        status, afterwards = 0, begin(scope)

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", current.encode())]
            await send(message)

        try:
            await self._app(scope, receive, named)
        except Exception:
            logger.exception("unexpected fault")
            if status:
                raise  # the answer has begun, so all that is left is to break it off
            await problems.unexpected()(scope, receive, named)
        finally:
            for act in afterwards:
                act()
            _log(scope, status, time.perf_counter() - started)
            request_id.reset(token)


def _log(scope: Scope, status: int, seconds: float) -> None:
    fields = {"method": scope["method"], "path": scope["path"], "status": status, "seconds": round(seconds, 6)}
    level = logging.DEBUG if scope["path"] in ("/healthz", "/readyz", "/metrics") else logging.INFO
    logger.log(level, "request", extra={"fields": fields})
