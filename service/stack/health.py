"""`python -m service.stack.health api|model-server`: exit 0 where that process is alive and answers, 1 where not.

What the containers' health checks run. Asks for liveness, not readiness: a restart mends no part that others wait for.
"""

from __future__ import annotations

import argparse
import http.client
import socket
import sys
from urllib.parse import urlsplit

from latentaug.runtime import settings as configuration
from latentaug.runtime.settings import Settings

TIMEOUT = 4.0  # seconds


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket at the path."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


def alive(process: str, settings: Settings) -> bool:
    """Whether `api` or `model-server` answers its liveness address with 200."""
    if process == "api":
        host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 (compared, not bound)
        connection, path = http.client.HTTPConnection(host, settings.port, timeout=TIMEOUT), "/healthz"
    else:
        url = urlsplit(settings.resolved_model_server_url)
        path = "/v2/health/live"
        if url.scheme == "unix":
            connection = _UnixConnection(url.path)
        else:
            connection = http.client.HTTPConnection(url.hostname or "127.0.0.1", url.port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> int:
    """Read the command line and the settings; the result is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m service.stack.health", description=__doc__)
    parser.add_argument("process", choices=["api", "model-server"])
    return 0 if alive(parser.parse_args().process, configuration.load()) else 1


if __name__ == "__main__":
    sys.exit(main())
