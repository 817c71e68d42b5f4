"""Internet addresses: which are this machine's own, which are public, and which lie in networks that are named."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv6 addresses that a gateway translates to the IPv4 address in their last 32 bits (RFC 6052)."""
_SPECIAL = tuple(ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "fec0::/10", "3fff::/20"))
"""Networks that are not of the internet although `ipaddress` takes them for it: IANA's special-purpose registries, and
the site-local addresses that RFC 3879 withdrew and some networks still use."""


def on_loopback(host: str) -> bool:
    """Whether a host is this machine itself, by its name or as an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks, separated by commas, such as `127.0.0.1, 10.0.0.0/8`.

    Raises:
        ValueError: one is neither.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def lies_in(address: str, named: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks that are named; a text that is no address is in none."""
    try:
        reached = _reached_by(ip_address(address))
    except ValueError:
        return False
    return any(reached in network for network in named)


def may_reach(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether what a caller names may be reached: an address of the internet, or one in the networks that are allowed.

    Addresses that are private, loopback, link-local, multicast or reserved are not of the internet.
    """
    reached = _reached_by(address)
    public = reached.is_global and not reached.is_multicast and not reached.is_reserved
    public = public and not any(reached in network for network in _SPECIAL)
    return public or any(reached in network for network in allowed)


def _reached_by(address: Address) -> Address:
    """The address that packets reach in the end: an IPv4 address may be written as one of IPv6 in several ways."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address
