"""The API behind granian in place of uvicorn: `python -m bench.granian_server`, with the settings of the environment.

It is for comparison alone: uvicorn's protocol is where the API bounds what a caller may send (`service.api.http.wire`),
and granian, which reads HTTP in Rust, has no place for that.
"""

from __future__ import annotations

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops

from latentaug.runtime import settings as configuration
from service.api.app import create_app


def main() -> None:
    """Serve on the settings' address, with one process and one thread for HTTP, until SIGTERM."""
    settings = configuration.load()
    Granian(
        "bench.granian_server:main",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        loop=Loops.uvloop,
        runtime_threads=1,
        log_access=False,
        log_level="warning",
    ).serve(target_loader=lambda *_: create_app(settings), wrap_loader=False)


if __name__ == "__main__":
    main()
