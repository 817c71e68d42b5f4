"""`python -m service.api`: the API on the settings' host and port.

Exits with 2, and a line that says why, where the settings, the keys or the port do not let it start.
"""

from __future__ import annotations

import math
import sys

import uvicorn

from latentaug.errors import Conflict
from latentaug.runtime import folders, logs, tracing
from latentaug.runtime import settings as configuration
from latentaug.runtime.processes import MISCONFIGURED
from service.api.app import create_app
from service.api.http.connections import affordable
from service.api.http.wire import bounded
from service.stack import ports


def main() -> int:
    """Serve until SIGTERM or SIGINT, then finish what was begun, within the drain time; return the exit status."""
    try:
        settings = configuration.load()
        tracing.configure(settings, "latentaug-api")
        app = create_app(settings)
        ports.check(settings.host, settings.port)
        folders.check_store(settings)
    except (ValueError, OSError, Conflict) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return MISCONFIGURED
    logs.configure(settings)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        http=bounded(affordable(settings.max_connections)),  # type: ignore[arg-type]
        ws="none",
        proxy_headers=False,  # the application itself knows which proxies to believe
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
