"""`python -m service.stack`: everything on one machine, with the same commands as the containers.

It runs the model server, the API and the worker, and an embedded Valkey unless LATENTAUG_REDIS_URL is set. A process
that dies is started again. Ctrl+C stops all of them in order, and none is left running, not even if this process is
killed. If a part cannot start with its settings, everything stops with exit status 2.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

from uvicorn.config import STARTUP_FAILURE

from latentaug.errors import LatentaugError, Newer
from latentaug.runtime import folders, logs, sockets
from latentaug.runtime import settings as configuration
from latentaug.runtime.processes import MISCONFIGURED, ModuleProcess, stop, told_to_stop
from latentaug.runtime.settings import Settings
from service.stack import address, health, ports
from service.stack.address import Address
from service.stack.revival import Revival
from service.stack.valkey import EmbeddedRedis

POLL = 0.2
"""Seconds between two looks at the processes."""

COMPUTING = ("worker", "service.model_server")
"""The modules that compute."""
_CANNOT_START = (MISCONFIGURED, STARTUP_FAILURE)
"""Exit statuses, our own and uvicorn's, that say that starting the process again would not help."""

_log = logging.getLogger("service.stack")


def main(*, passing: bool = False, computing: bool = True) -> int:
    """Run until told to stop; return the exit status. The arguments are those of `run`."""
    try:
        settings = configuration.load()
    except ValueError as error:
        print(error, file=sys.stderr)
        return MISCONFIGURED
    logs.configure(settings)
    end = told_to_stop((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    try:
        return run(settings, end, passing=passing, computing=computing)
    except (LatentaugError, OSError) as error:
        _log.error("%s", error)
        return MISCONFIGURED if isinstance(error, Newer) else 1


def run(settings: Settings, end: threading.Event, *, passing: bool = False, computing: bool = True) -> int:
    """Run everything until `end` is set, or until a part cannot start.

    Args:
        settings: of all parts.
        end: ends it once it is set.
        passing: whether it runs for one command and ends with that.
        computing: whether there is a model server and a worker. The API alone is enough to look at jobs, models and
            data sets and to delete them, and is there much sooner.

    Returns:
        The exit status: 0, or `MISCONFIGURED` if a part could not start with its settings.

    Raises:
        Conflict: the port is taken, another stack runs in this home, the home or the store cannot be written to, or a
            socket's folder is not private.
        Newer: a newer service writes in the store.
        Unavailable: the embedded Valkey does not start.
    """
    ports.check(settings.host, settings.port)  # first of all: a server that listens there could be taken for ours
    folders.check(settings.home.absolute(), "HOME", folders.ROOM)
    folders.check_store(settings)
    model_server = urlsplit(settings.resolved_model_server_url)
    if model_server.scheme == "unix":
        sockets.make_folder(Path(model_server.path))  # before the API may find somebody else's server in it
    port = settings.port or ports.free(settings.host)
    variables = {"LATENTAUG_PORT": str(port)}
    redis = EmbeddedRedis(settings.home) if settings.redis_url is None else None
    if redis is not None:
        variables["LATENTAUG_REDIS_URL"] = redis.start()
    revival = None if redis is None else Revival(redis, settings.home)
    api = ModuleProcess(["service.api"], variables)
    workers = [ModuleProcess([module], variables) for module in COMPUTING] if computing else []
    url = health.url(settings.host, port)
    ready = False
    try:
        while not end.is_set():
            if revival is not None:
                revival.look()
            for process in (*workers, api):
                if not ready and process.status in _CANNOT_START:
                    _log.error("%s cannot start; fix what it says above and start again", process.arguments[0])
                    return MISCONFIGURED
                process.keep_running()
            if not ready and health.ready(url, computing=computing):
                ready = True
                address.note(settings.home, Address(url, passing))
                print(f"latentaug is ready at {url}", flush=True)
                print(f"It keeps models, data sets and results in {settings.home.absolute()}", flush=True)
            end.wait(POLL)
        return 0
    finally:
        if ready:
            address.forget(settings.home)
        stop([api], settings.drain_seconds + 2)
        stop(workers, settings.drain_seconds + 2)
        if redis is not None:
            redis.stop()
