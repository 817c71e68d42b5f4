"""The API behind uvicorn and behind granian, before one model server: `python -m bench.web_servers --help`.

Both serve the same application with one process each. Ours adds the bounds of `service.api.http.wire` to uvicorn.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import torch

from bench import clients, results, workload
from bench.workload import SHAPES, Shape
from latentaug.runtime.processes import ModuleProcess, stop
from latentaug.storage.objects import ArtefactStore
from service.stack import health, ports
from service.stack.valkey import EmbeddedRedis

HOME = Path("build/web-servers")
HOST = "127.0.0.1"
SERVERS = {"uvicorn, with our bounds": "service.api", "granian": "bench.granian_server"}
LOOPS = {"our lean client": clients.closed_loop, "aiohttp": clients.outside_loop}
START_SECONDS = 60.0
STOP_SECONDS = 15.0

Rates = dict[str, dict[str, list[float]]]
"""Images a second in each round, by client and by server."""


def main(arguments: Sequence[str] | None = None, home: Path = HOME) -> None:
    """Measure and write docs/results/web-servers.md and .json."""
    parser = argparse.ArgumentParser(description="Measure the API behind two HTTP servers.")
    parser.add_argument("--rounds", type=int, default=9, help="counted rounds of each server (9)")
    parser.add_argument("--turn", type=float, default=1.5, help="seconds of a server's turn in a round (1.5)")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder to write to (docs/results)")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    environment = results.environment()
    os.environ["OMP_NUM_THREADS"] = "1"  # of every process that is started from here
    torch.set_num_threads(1)
    with running(home) as urls:
        found = {shape.name: measure(shape, urls, asked.rounds, asked.turn) for shape in SHAPES}
    command = f"python -m bench.web_servers {' '.join(arguments)}".rstrip()
    results.write(asked.results, "web-servers", command, environment, found, page(found, asked.rounds))


@contextmanager
def running(home: Path) -> Iterator[dict[str, str]]:
    """Run Valkey, a model server and an API behind each HTTP server; yield the APIs' URLs by server."""
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
        listening = {name: ports.free(HOST) for name in SERVERS}
        processes = [ModuleProcess(["service.model_server"], variables)]
        processes += [
            ModuleProcess([module], variables | {"LATENTAUG_PORT": str(listening[name])})
            for name, module in SERVERS.items()
        ]
        urls = {name: health.url(HOST, port) for name, port in listening.items()}
        try:
            for process in processes:
                process.keep_running()
            _wait(urls)
            yield urls
        finally:
            stop(processes, STOP_SECONDS)


def measure(shape: Shape, urls: dict[str, str], rounds: int, seconds: float) -> Rates:
    """Ask each server in turn, round after round, so that what slows the machine slows both; the first is dropped."""
    request = workload.npy_request(workload.request_images(shape.images), shape)
    answers = {asyncio.run(clients.call(url, request)) for url in urls.values()}
    if len(answers) > 1:
        raise SystemExit("the two servers answer differently; mend that before comparing their speed")
    found: Rates = {client: {name: [] for name in urls} for client in LOOPS}
    for number in range(rounds + 1):
        for client, loop in LOOPS.items():
            for name, url in urls.items():
                rate = asyncio.run(loop(url, request, shape.clients, seconds)) * shape.images
                if number:
                    found[client][name].append(rate)
        print(f"  {shape.name}: round {number} of {rounds}", flush=True)
    return found


def page(found: dict[str, Rates], rounds: int) -> list[str]:
    """The medians, and the median ratio of the rounds, as a table."""
    ours, other = SERVERS
    lines = [
        "# HTTP servers",
        "",
        f"The same API and the same model server, npy in and out; images/s, medians of {rounds} rounds in turn. The "
        "ratio is the median of the rounds' own.",
        "",
        f"| requests | asked by | {ours} | {other} | **{other} / {ours}** |",
        "|---|---|---|---|---|",
    ]
    for shape, rates in found.items():
        for client, by_server in rates.items():
            pairs = list(zip(by_server[ours], by_server[other], strict=True))
            ratio = median(theirs / mine for mine, theirs in pairs)
            numbers = " | ".join(f"{median(by_server[name]):,.0f}" for name in SERVERS)
            lines.append(f"| {shape} | {client} | {numbers} | **{ratio:.2f}** |")
    return lines


def _wait(urls: dict[str, str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not all(health.ready(url) for url in urls.values()):
        if time.monotonic() > deadline:
            raise SystemExit(f"the service did not start within {START_SECONDS:.0f} s; its output is above")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
