"""`python -m service.stack`: everything on one machine, with the same commands as the containers.

The model server, the API and the worker, with an embedded Valkey where LATENTAUG_REDIS_URL is not set. What dies is
started again; Ctrl+C stops all in order; nothing is left running, not even where this process itself is killed.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import signal
import socket
import sys
import threading
from types import FrameType

from latentaug import settings as configuration
from latentaug.children import Child, stop
from latentaug.errors import LatentaugError
from latentaug.settings import Settings
from service.embedded_redis import EmbeddedRedis

POLL = 0.2
"""Seconds between two looks at the children."""

_log = logging.getLogger("service.stack")


def main() -> int:
    """Run until told to stop; return the exit status."""
    try:
        settings = configuration.load()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    told_to_stop = threading.Event()

    def tell(signal_number: int, frame: FrameType | None) -> None:
        told_to_stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, tell)
    try:
        run(settings, told_to_stop)
    except LatentaugError as error:
        _log.error("%s", error)
        return 1
    return 0


def run(settings: Settings, told_to_stop: threading.Event) -> None:
    """Run everything until `told_to_stop`.

    Raises:
        Conflict: the embedded Valkey of this home runs already, for another stack.
        Unavailable: the embedded Valkey does not start.
    """
    port = settings.port or _free_port(settings.host)
    variables = {"LATENTAUG_PORT": str(port)}
    redis = EmbeddedRedis(settings.home) if settings.redis_url is None else None
    if redis is not None:
        variables["LATENTAUG_REDIS_URL"] = redis.start()
    api = Child(["service.api"], variables)
    workers = [Child(["worker"], variables), Child(["service.model_server"], variables)]
    ready = False
    try:
        while not told_to_stop.is_set():
            if redis is not None and not redis.running():
                _log.warning("the embedded Valkey has ended; starting it again")
                redis.stop()
                redis.start()
            for child in (*workers, api):
                child.keep_running()
            if not ready and _ready(settings.host, port):
                ready = True
                print(
                    f"latentaug is ready at {_url(settings.host, port)} (try {_url(settings.host, port)}/docs)",
                    flush=True,
                )
            told_to_stop.wait(POLL)
    finally:
        stop([api], settings.drain_seconds + 2)
        stop(workers, settings.drain_seconds + 2)
        if redis is not None:
            redis.stop()


def _ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _url(host: str, port: int) -> str:
    name = _reachable(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _reachable(host: str) -> str:
    """An address at which this machine itself reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared, not bound)


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.socket(family)) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
