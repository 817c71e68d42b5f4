"""ASGI middleware: serves under the prefix that a proxy shows the service under."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from latentaug.addresses import Network, lies_in
from latentaug.runtime.settings import PATH_PREFIX

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
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if location := headers.get("location"):
                    headers["location"] = _under(prefix, location)
            await send(message)

        await self._app({**scope, "root_path": prefix} if prefix else scope, receive, prefixed)

    def _forwarded(self, scope: Scope) -> str:
        """What a trusted proxy sends as the prefix; empty where there is none."""
        sent = Headers(scope=scope).get("x-forwarded-prefix", "").rstrip("/")
        believed = sent and scope["client"] is not None and lies_in(scope["client"][0], self._trusted)
        return sent if believed and _PREFIX.fullmatch(sent) else ""


def _under(prefix: str, location: str) -> str:
    """The path of a URL of ours, and its query, under the prefix."""
    parts = urlsplit(location)
    path = "/" + parts.path.lstrip("/")  # two slashes would begin the name of a host
    return urlunsplit(("", "", path if path.startswith(f"{prefix}/") else prefix + path, parts.query, ""))
