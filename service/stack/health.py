"""Asks a process over HTTP whether it is alive or ready.

The containers' health checks run `python -m service.stack.health api|model-server`: the exit status is 0 if that
process is alive, and 1 if it is not. They do not ask whether it is ready, because restarting it would not repair the
other parts that it waits for.
"""

from __future__ import annotations

import argparse
import http.client
import socket
import sys
from urllib.parse import urlsplit

from latentaug.runtime import settings as configuration
from latentaug.runtime.settings import Settings

TIMEOUT = 4.0
"""Seconds to wait for a connection, and again for each part of an answer."""


def ready(base: str, *, computing: bool = True) -> bool:
    """Return whether the service at this URL can do its work or, without `computing`, at least its API answers."""
    return answers(base, "/readyz" if computing else "/healthz")


def alive(process: str, settings: Settings) -> bool:
    """Return whether the process `api` or `model-server` is alive; of several model servers, whether all are."""
    if process == "api":
        return answers(url(settings.host, settings.port), "/healthz")
    return all(answers(each, "/v2/health/live") for each in settings.model_server_urls)


def url(host: str, port: int) -> str:
    """Return the URL at which this machine itself reaches what listens on `host` and `port`."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared, not bound)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def answers(base: str, path: str) -> bool:
    """Whether what listens at `base`, which may be anything, answers a request for `path` with 200."""
    connection = _connection(base)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connection(base: str) -> http.client.HTTPConnection:
    """A connection to `http://host:port` or `unix:///path`; it is opened with the first request."""
    parts = urlsplit(base)
    if parts.scheme == "unix":
        return _UnixConnection(parts.path)
    return http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


def main() -> int:
    """Read the command line and the settings; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m service.stack.health",
        description="Tells whether a process is alive: the exit status is 0 if it is, and 1 if it is not.",
    )
    parser.add_argument("process", choices=["api", "model-server"])
    return 0 if alive(parser.parse_args().process, configuration.load()) else 1


if __name__ == "__main__":
    sys.exit(main())
