"""Which web sites' pages may use a service that asks for no keys: its own, and those that the settings name.

A browser lets the page of any site send requests to this machine, and a site may give its own name the address
127.0.0.1 and read the answers as well (DNS rebinding). Where there are keys, no page has one.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from latentaug import addresses
from latentaug.errors import ForeignSite, LatentaugError, Misdirected
from latentaug.runtime.settings import PREFIX, Settings, listed
from service.api.http import problems

_HARMLESS = {"GET", "HEAD", "OPTIONS"}
"""Methods by which nothing is changed or computed; a browser does not let other sites read the answers."""
_LOOKED_AT = {b"host", b"origin", b"sec-fetch-site"}
_PORTS = {"http": 80, "https": 443}


class OwnPages:
    """ASGI middleware: refuses requests for another host, and what pages of other sites would change or compute.

    Args:
        app: what it stands around.
        settings: `host_names` are names of this service besides those of this machine itself; pages of `cors_origins`
            may call.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in listed(settings.host_names))
        self._origins = frozenset(listed(settings.cors_origins))
        self._accepted: tuple[bytes, bytes] | None = None  # the `Host` header that was found to be ours last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (problems.of_error(refusal) if refusal else self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> LatentaugError | None:
        sent = [each for each in scope["headers"] if each[0] in _LOOKED_AT]
        if len(sent) == 1 and sent[0] == self._accepted:  # nothing new
            return None
        headers = Headers(raw=sent)
        for host in headers.getlist("host"):  # a browser always sends one
            if not self._is_own(_parts(f"//{host}").hostname):
                return Misdirected(
                    f"this service is not {host[:100]!r}; call it at localhost or 127.0.0.1, or name that host in "
                    f"{PREFIX}HOST_NAMES, or set {PREFIX}API_KEYS and send a key"
                )
        if len(sent) == 1 and sent[0][0] == b"host":
            self._accepted = sent[0]
        if scope["method"] in _HARMLESS or not self._is_foreign(headers):
            return None
        site = headers.get("origin", "another site")
        return ForeignSite(
            f"a page of {site[:100]!r} may not do this: as this service has no API keys, only its own page may. Name "
            f"that site in {PREFIX}CORS_ORIGINS, or its host in {PREFIX}HOST_NAMES if it is this service behind a proxy"
        )

    def _is_foreign(self, headers: Headers) -> bool:
        """Whether the page of another site asks. What is no browser sends neither of these headers."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin in self._origins:
            return False
        if site is not None:  # a page cannot set it; behind a proxy that renames the host it is still right
            return site not in ("same-origin", "none")
        return origin is not None and not self._is_of_own_page(origin, headers.get("host", ""))

    def _is_of_own_page(self, origin: str, host: str) -> bool:
        page, port = _parts(origin), _PORTS.get(_parts(origin).scheme)
        own = _parts(f"//{host}")
        named = page.hostname is not None and page.hostname in self._names
        return named or (page.hostname is not None and _place(page, port) == _place(own, port))

    def _is_own(self, name: str | None) -> bool:
        return name is not None and (name in self._names or addresses.on_loopback(name.removesuffix(".")))


def _parts(address: str) -> SplitResult:
    """A URL in parts, with neither a host nor a port if it is none."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return urlsplit("")
    return parts


def _place(parts: SplitResult, port: int | None) -> tuple[str | None, int | None]:
    return parts.hostname, parts.port or port
