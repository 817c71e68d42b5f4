"""`python -m service.api`: the API on the settings' host and port, in one process or in several.

Exits with 2, and a line that says why, where the settings, the keys or the port do not let it start.
"""

from __future__ import annotations

import argparse
import math
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE

from latentaug.allocator import keep_what_is_there
from latentaug.errors import Conflict
from latentaug.runtime import folders, logs, tracing
from latentaug.runtime import settings as configuration
from latentaug.runtime.processes import MISCONFIGURED
from latentaug.runtime.settings import Settings
from service.api import processes
from service.api.app import create_app
from service.api.http.connections import affordable
from service.api.http.wire import bounded
from service.stack import ports


def main() -> int:
    """Serve until SIGTERM or SIGINT, then finish what was begun, within the drain time; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m service.api", description="Runs the API until it is told to stop.")
    parser.add_argument("--own", type=Path, help="the socket at which one of several processes tells its metrics")
    parser.add_argument("--listener", type=int, action="append", help="an open file that one of several listens on")
    given = parser.parse_args()
    try:
        settings = configuration.load()
        if given.own is not None:
            settings = processes.share(settings)
        tracing.configure(settings, "latentaug-api")
        app = create_app(settings, given.own)
        listeners = _listeners(settings, given.listener)
        folders.check_store(settings)
        several = given.own is None and settings.api_processes > 1
        if several:
            processes.check_room()
    except (ValueError, OSError, Conflict) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return MISCONFIGURED
    logs.configure(settings)
    if several:
        return processes.supervise(settings, listeners)
    return _serve(settings, app, listeners)


def _listeners(settings: Settings, inherited: Sequence[int] | None) -> list[socket.socket]:
    """What to listen on: what this process has inherited open, or else the settings' port."""
    if inherited is not None:
        return [socket.socket(fileno=number) for number in inherited]
    return ports.bound(settings.host, settings.port)


def _serve(settings: Settings, app: ASGIApp, listeners: list[socket.socket]) -> int:
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            http=bounded(affordable(settings.max_connections)),  # type: ignore[arg-type]
            ws="none",
            proxy_headers=False,  # the application itself knows which proxies to believe
            timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
        )
    )
    keep_what_is_there()
    with suppress(KeyboardInterrupt):
        server.run(listeners)
    return 0 if server.started else STARTUP_FAILURE


if __name__ == "__main__":
    sys.exit(main())
