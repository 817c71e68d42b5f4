"""TCP ports to listen on."""

from __future__ import annotations

import socket

from latentaug.errors import Conflict
from latentaug.runtime.settings import PREFIX


def check(host: str, port: int) -> None:
    """Make sure that a server can listen on `port` of every address that `host` names.

    Raises:
        Conflict: the port is taken or needs more rights, or the host is not this machine.
    """
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as probe:
                # Servers set this too; without it a connection that is still closing would hold the port.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
    except (OSError, UnicodeError) as error:
        raise Conflict(
            f"cannot listen on port {port} of {host} ({error}); stop the program that listens there, or choose another "
            f"with {PREFIX}PORT or {PREFIX}HOST"
        ) from error


def free(host: str) -> int:
    """Return a port of `host` on which nothing listens at the moment."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
