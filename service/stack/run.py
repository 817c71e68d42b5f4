"""`python -m service.stack`: everything on one machine, with the same commands as the containers.

The model server, the API and the worker, with an embedded Valkey where LATENTAUG_REDIS_URL is not set. What dies is
started again; Ctrl+C stops all in order; nothing is left running, not even where this process itself is killed.
Where a part cannot start with its settings, all stops, with exit status 2.
"""

from __future__ import annotations

import http.client
import logging
import signal
import sys
import threading
from types import FrameType

from uvicorn.config import STARTUP_FAILURE

from latentaug.errors import LatentaugError
from latentaug.runtime import logs
from latentaug.runtime import settings as configuration
from latentaug.runtime.processes import MISCONFIGURED, ModuleProcess, stop
from latentaug.runtime.settings import Settings
from service.stack import ports
from service.stack.valkey import EmbeddedRedis

POLL = 0.2
"""Seconds between two looks at the children."""

_CANNOT_START = (MISCONFIGURED, STARTUP_FAILURE)
"""Exit statuses at the first start that another start would not mend: our processes' own, and uvicorn's."""

_log = logging.getLogger("service.stack")


def main() -> int:
    """Run until told to stop; return the exit status."""
    try:
        settings = configuration.load()
    except ValueError as error:
        print(error, file=sys.stderr)
        return MISCONFIGURED
    logs.configure(settings)
    told_to_stop = threading.Event()

    def tell(signal_number: int, frame: FrameType | None) -> None:
        told_to_stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, tell)
    try:
        return run(settings, told_to_stop)
    except LatentaugError as error:
        _log.error("%s", error)
        return 1


def run(settings: Settings, told_to_stop: threading.Event) -> int:
    """Run everything until `told_to_stop`, or until a part cannot start.

    Returns:
        The exit status: 0, or `MISCONFIGURED` where a part ended so before all was ready.

    Raises:
        Conflict: the port is taken, or the embedded Valkey of this home runs already, for another stack.
        Unavailable: the embedded Valkey does not start.
    """
    ports.check(settings.host, settings.port)  # first of all, for what listens there might pass for ours
    port = settings.port or ports.free(settings.host)
    variables = {"LATENTAUG_PORT": str(port)}
    redis = EmbeddedRedis(settings.home) if settings.redis_url is None else None
    if redis is not None:
        variables["LATENTAUG_REDIS_URL"] = redis.start()
    api = ModuleProcess(["service.api"], variables)
    workers = [ModuleProcess(["worker"], variables), ModuleProcess(["service.model_server"], variables)]
    ready = False
    try:
        while not told_to_stop.is_set():
            if redis is not None and not redis.running():
                _log.warning("the embedded Valkey has ended; starting it again")
                redis.stop()
                redis.start()
            for child in (*workers, api):
                if not ready and child.status in _CANNOT_START:
                    _log.error("%s cannot start; mend what it says above and start again", child.arguments[0])
                    return MISCONFIGURED
                child.keep_running()
            if not ready and answers_ready(settings.host, port):
                ready = True
                print(f"latentaug is ready at {_url(settings.host, port)}", flush=True)
            told_to_stop.wait(POLL)
        return 0
    finally:
        stop([api], settings.drain_seconds + 2)
        stop(workers, settings.drain_seconds + 2)
        if redis is not None:
            redis.stop()


def answers_ready(host: str, port: int) -> bool:
    """Whether what listens there, which may be anything, says over HTTP that it is ready."""
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _url(host: str, port: int) -> str:
    name = _reachable(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _reachable(host: str) -> str:
    """An address at which this machine itself reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared, not bound)
