"""One POST to an address that a caller chose, and to nowhere else than such an address may lead.

The host's name is resolved once, every address is checked, and what was checked is what is connected to. So no name
leads to this network's own machines, not even one that changes between the check and the connection. Redirects are not
followed, and no proxy is asked.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from latentaug.addresses import Address, Network, may_reach

SECONDS = 15.0
"""Within which a receiver must have been found, and have answered."""


class Undelivered(Exception):
    """A receiver was not reached, or did not accept.

    Args:
        reason: why, without the address, which may hold secrets of its owner.
        final: whether it is of no use to try again.
    """

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


def post(url: str, headers: Mapping[str, str], body: bytes, allowed: Sequence[Network]) -> None:
    """Send `body` to `url`, and wait for the receiver to accept it with a status from 200 to 299.

    Args:
        url: https, or http where it is on this machine.
        headers: of the request.
        body: what is sent.
        allowed: networks that may be reached although they are not public.

    Raises:
        Undelivered: it was not accepted in time, or the address is not one that may be reached.
    """
    try:
        status = asyncio.run(_post(url, headers, body, allowed))
    except TimeoutError as error:
        raise Undelivered(f"no answer within {SECONDS:g} seconds") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Undelivered(f"no answer ({type(error).__name__})") from error
    if not 200 <= status < 300:
        raise Undelivered(f"the receiver answered with status {status}", final=status == HTTPStatus.GONE)


async def _post(url: str, headers: Mapping[str, str], body: bytes, allowed: Sequence[Network]) -> int:
    async with asyncio.timeout(SECONDS):
        found = await _addresses(url, allowed)
        connector = aiohttp.TCPConnector(resolver=_Resolved(found), limit=1)
        async with (
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return response.status  # whatever else it says is not read


async def _addresses(url: str, allowed: Sequence[Network]) -> list[ResolveResult]:
    """The addresses of a URL's host that may be reached.

    Raises:
        Undelivered: there are none.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found = [
        ResolveResult(hostname=host, host=str(place[0]), port=port, family=family, proto=protocol, flags=0)
        for family, _, protocol, _, place in infos
        if _may_reach(ip_address(str(place[0])), allowed, only_here=parts.scheme == "http")
    ]
    if not found:
        raise Undelivered("its address is not public; LATENTAUG_WEBHOOK_NETWORKS allows others", final=True)
    return found


def _may_reach(address: Address, allowed: Sequence[Network], *, only_here: bool) -> bool:
    return may_reach(address, allowed) and (address.is_loopback or not only_here)


class _Resolved(AbstractResolver):
    """Knows the addresses of one host."""

    def __init__(self, found: list[ResolveResult]) -> None:
        self._found = found

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return them."""
        return self._found

    async def close(self) -> None:
        """Nothing to close."""
