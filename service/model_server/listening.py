"""The socket that the model server listens on."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from latentaug.runtime import sockets


def listen(url: str) -> socket.socket:
    """Open a socket that listens at `url`.

    Args:
        url: `unix:///path`, to which only this user may then connect, or `http://host:port`.

    Raises:
        ValueError: `url` has neither form.
        Conflict: the path of the socket is too long, or its folder is not private.
        OSError: a server already listens there, or the address cannot be bound.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path:
        return _listen_unix(Path(parts.path))
    if parts.scheme == "http" and parts.hostname and parts.port is not None:
        return socket.create_server((parts.hostname, parts.port), family=_family(parts.hostname))
    raise ValueError(f"{url!r} is not an address to listen on; use unix:///path or http://host:port")


def _listen_unix(path: Path) -> socket.socket:
    sockets.make_folder(path)
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)  # 0600 from the start: nobody can slip in before a chmod
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen(socket.SOMAXCONN)
    return listener


def _clear(path: Path) -> None:
    """Remove the socket that a killed server left behind.

    Raises:
        OSError: a server still listens there, or it is not a socket.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            if path.is_socket():
                path.unlink()
                return
            raise OSError(f"{path} is in the way and is not a socket; remove it or set another address") from None
    raise OSError(f"a model server already listens on {path}; stop it first")


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
