"""`python -m service.model_server`: run the model server until told to stop.

At SIGTERM or SIGINT it takes no new requests, answers those it has taken within `drain_seconds`, and exits with 0.
If the engine dies, its requests get 503 and the process exits with 70, for its supervisor to start a new one.
If it cannot start with its settings, it exits with 2 and a line that says why.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import uvicorn

from latentaug.allocator import keep_what_is_there
from latentaug.errors import Away, LatentaugError
from latentaug.runtime import logs, sockets, tracing
from latentaug.runtime.processes import MISCONFIGURED
from latentaug.runtime.settings import Settings, load
from latentaug.storage import formats
from latentaug.storage.objects import ArtefactStore
from service.model_server.app import create_app
from service.model_server.listening import listen
from service.model_server.serving import Serving

ENGINE_DIED = 70
"""Exit status for an internal software error, EX_SOFTWARE."""

SWITCH_SECONDS = 3e-5
"""How long one of the event loop and the engine's thread may keep the interpreter while the other waits for it. The
engine gives the interpreter up at each of its kernels and must not wait long until it may start the next one. Python's
default is 5 ms, which is more than a whole small batch takes."""

log = logging.getLogger("service.model_server")


class Server(uvicorn.Server):
    """Uvicorn, but it goes on listening while it drains, so that probes and callers get 503 rather than no answer."""

    def __init__(self, config: uvicorn.Config, serving: Serving) -> None:
        super().__init__(config)
        self._serving = serving
        self._loop = asyncio.get_running_loop()
        self._draining: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; at the second signal exit at once."""
        self._loop.call_soon_threadsafe(self.begin_drain)

    def begin_drain(self) -> None:
        """Drain, then exit."""
        if self._draining:
            self.should_exit = self.force_exit = True
        else:
            self._draining = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        await self._serving.drain()
        self.should_exit = True


async def serve(settings: Settings) -> int:
    """Serve until told to stop, and return the exit status."""
    url = settings.resolved_model_server_url
    with suppress(Away):
        formats.check_store(ArtefactStore(settings.resolved_store_url))
    listener = listen(url)
    loop, status = asyncio.get_running_loop(), 0

    def engine_died(_: BaseException) -> None:
        nonlocal status
        status = ENGINE_DIED
        loop.call_soon_threadsafe(server.begin_drain)

    serving = Serving(settings, ArtefactStore(settings.resolved_store_url), engine_died)
    config = uvicorn.Config(
        create_app(serving),
        http="httptools",
        lifespan="on",
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=1,
        backlog=1024,
    )
    server = Server(config, serving)
    keep_what_is_there()
    log.info("listening on %s", url)
    try:
        await server.serve(sockets=[listener])
    finally:
        if urlsplit(url).scheme == "unix":
            sockets.remove(Path(urlsplit(url).path))
    return status


def main() -> int:
    """Run with the settings in the environment, and return the exit status."""
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        settings = load()
        logs.configure(settings)
        tracing.configure(settings, "latentaug-model-server")
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        with asyncio.Runner(loop_factory=uvicorn.Config("", log_config=None).get_loop_factory()) as runner:
            return runner.run(serve(settings))
    except (ValueError, LatentaugError) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return MISCONFIGURED
    except OSError as error:
        log.error("cannot start: %s", error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
