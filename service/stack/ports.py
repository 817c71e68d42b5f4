"""TCP ports to listen on."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from latentaug.errors import Conflict
from latentaug.runtime.settings import PREFIX


def check(host: str, port: int) -> None:
    """Make sure that a server can listen on `port` of every address that `host` names.

    Raises:
        Conflict: the port is taken or needs more rights, or the host is not this machine.
    """
    for each in bound(host, port):
        each.close()


def bound(host: str, port: int) -> list[socket.socket]:
    """Open a socket on `port` of every address that `host` names; none of them listens yet.

    Raises:
        Conflict: the port is taken or needs more rights, or the host is not this machine.
    """
    with ExitStack() as unless_all:
        opened = []
        try:
            for family, kind, protocol, _, address in set(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)):
                opened.append(unless_all.enter_context(socket.socket(family, kind, protocol)))
                # Servers set this too; without it a connection that is still closing would hold the port.
                opened[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    opened[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                opened[-1].bind(address)
        except (OSError, UnicodeError) as error:
            raise Conflict(
                f"cannot listen on port {port} of {host} ({error}); stop the program that listens there, or choose "
                f"another with {PREFIX}PORT or {PREFIX}HOST"
            ) from error
        unless_all.pop_all()
    return opened


def free(host: str) -> int:
    """Return a port of `host` on which nothing listens at the moment."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
