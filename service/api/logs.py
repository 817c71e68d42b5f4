"""Logs as JSON lines, each with the id of the request it belongs to."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import problems

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
logger = logging.getLogger("latentaug.api")

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class JsonLines(logging.Formatter):
    """One JSON object per record; what `extra={"fields": {...}}` holds is added to it."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            line["request_id"] = current
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: str) -> None:
    """Send every log of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class RequestLog:
    """ASGI middleware: names each request (`X-Request-ID`, in and out), logs it, and answers what nothing caught."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get("x-request-id", "")
        current = sent if _ID.fullmatch(sent) else uuid4().hex
        token = request_id.set(current)
        started = time.perf_counter()
        status = 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = current
            await send(message)

        try:
            await self._app(scope, receive, named)
        except Exception:
            logger.exception("unexpected fault")
            if status:
                raise  # the answer has begun, so all that is left is to break it off
            await problems.unexpected()(scope, receive, named)
        finally:
            _log(scope, status, time.perf_counter() - started)
            request_id.reset(token)


def _log(scope: Scope, status: int, seconds: float) -> None:
    fields = {"method": scope["method"], "path": scope["path"], "status": status, "seconds": round(seconds, 6)}
    level = logging.DEBUG if scope["path"] in ("/healthz", "/readyz", "/metrics") else logging.INFO
    logger.log(level, "request", extra={"fields": fields})
