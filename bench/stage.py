"""The service's parts as the benchmarks need them: Valkey, a model server with a model, and one API or several."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import workload
from latentaug.runtime.processes import ModuleProcess, stop
from latentaug.storage.objects import ArtefactStore
from service.stack import health, ports
from service.stack.valkey import EmbeddedRedis

HOST = "127.0.0.1"
MODEL_SERVER = ("service.model_server",)
START_SECONDS = 60.0
STOP_SECONDS = 15.0


@contextmanager
def running(
    home: Path, apis: Mapping[str, Sequence[str]], model_server: Sequence[str] = MODEL_SERVER
) -> Iterator[dict[str, str]]:
    """Run everything but the worker for as long as a `with` block lasts, with one compute thread.

    Args:
        home: folder for what the service writes; it is emptied first.
        apis: by name, the module of an API and its arguments, as after `python -m`.
        model_server: the same of the model server.

    Yields:
        The APIs' URLs by name, once all are ready.
    """
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    workload.save_trained(ArtefactStore((home.absolute() / "store").as_uri()))
    with EmbeddedRedis(home) as redis_url:
        variables = {
            "LATENTAUG_HOME": str(home),
            "LATENTAUG_REDIS_URL": redis_url,
            "LATENTAUG_LOG_LEVEL": "warning",
            "LATENTAUG_THREADS": "1",
        }
        listening = {name: ports.free(HOST) for name in apis}
        processes = [ModuleProcess(model_server, variables)]
        processes += [
            ModuleProcess(module, variables | {"LATENTAUG_PORT": str(listening[name])}) for name, module in apis.items()
        ]
        urls = {name: health.url(HOST, port) for name, port in listening.items()}
        try:
            for process in processes:
                process.keep_running()
            _wait(urls)
            yield urls
        finally:
            stop(processes, STOP_SECONDS)


def _wait(urls: Mapping[str, str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not all(health.ready(url) for url in urls.values()):
        if time.monotonic() > deadline:
            raise SystemExit(f"the service did not start within {START_SECONDS:.0f} s; its output is above")
        time.sleep(0.2)
