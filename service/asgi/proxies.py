"""ASGI middleware: serves under the prefix that a proxy shows the service under."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from latentaug.addresses import Network, lies_in
from latentaug.runtime.settings import PATH_PREFIX
from service.asgi import headers

_PREFIX = re.compile(PATH_PREFIX)


class UnderPrefix:
    """Says in the scope's `root_path` what stands before our paths, and puts it before those in `Location`.

    There it leaves a path only, as a redirect of Starlette's names whatever host and scheme the caller claims.

    The prefix is what a trusted proxy sends as `X-Forwarded-Prefix`, or else the one that is set. A proxy that sends it
    has taken it off the path; where it is set, it is taken off here if the proxy has not done so.

    Args:
        app: what it stands around.
        prefix: the prefix that is set, such as `/aug`; empty for none.
        trusted: where proxies are believed.
    """

    def __init__(self, app: ASGIApp, prefix: str, trusted: Sequence[Network]) -> None:
        self._app = app
        self._prefix = prefix
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        prefix = self._forwarded(scope)
        if not prefix:
            prefix = self._prefix
            if prefix and scope["path"].startswith(f"{prefix}/"):
                scope = {**scope, "path": scope["path"].removeprefix(prefix)}

        async def prefixed(message: Message) -> None:
            if message["type"] == "http.response.start" and _has(message, b"location"):
                answered = MutableHeaders(scope=message)
                answered["location"] = _under(prefix, answered["location"])
            await send(message)

        await self._app({**scope, "root_path": prefix} if prefix else scope, receive, prefixed)

    def _forwarded(self, scope: Scope) -> str:
        """What a trusted proxy sends as the prefix; empty where there is none."""
        sent = (headers.sent(scope, b"x-forwarded-prefix") or "").rstrip("/")
        believed = sent and scope["client"] is not None and lies_in(scope["client"][0], self._trusted)
        return sent if believed and _PREFIX.fullmatch(sent) else ""


class Forwarded:
    """Asks one application where a proxy says something of the request, and another where none does.

    Args:
        believing: reads what proxies say, which takes time even where there is nothing to read.
        plain: the application itself.
    """

    def __init__(self, believing: ASGIApp, plain: ASGIApp) -> None:
        self._believing = believing
        self._plain = plain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        for name, _ in scope.get("headers", ()):
            if name.startswith(b"x-forwarded-"):
                await self._believing(scope, receive, send)
                return
        await self._plain(scope, receive, send)


def _has(message: Message, name: bytes) -> bool:
    """Whether there is a header of that name, in lower case, found without a look at all others as text."""
    for each, _ in message["headers"]:  # noqa: SIM110  every request passes here, and `any` takes twice as long
        if each == name:
            return True
    return False


def _under(prefix: str, location: str) -> str:
    """The path of a URL of ours, and its query, under the prefix."""
    parts = urlsplit(location)
    path = "/" + parts.path.lstrip("/")  # two slashes would begin the name of a host
    return urlunsplit(("", "", path if path.startswith(f"{prefix}/") else prefix + path, parts.query, ""))
