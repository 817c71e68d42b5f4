"""`python -m service.api`: the API on the settings' host and port."""

from __future__ import annotations

import math

import uvicorn

from latentaug import settings as configuration
from service.api import logs
from service.api.app import create_app


def main() -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun, within the settings' drain time."""
    settings = configuration.load()
    logs.configure(settings.log_level)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
    )


if __name__ == "__main__":
    main()
