"""The API behind uvicorn and behind granian, before one model server: `python -m bench.web_servers --help`.

Both serve the same application with one process each. Ours adds the bounds of `service.api.http.wire` to uvicorn.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch

from bench import clients, results, stage, workload
from bench.workload import SHAPES, Shape

HOME = Path("build/web-servers")
SERVERS = {"uvicorn, with our bounds": ("service.api",), "granian": ("bench.granian_server",)}
LOOPS = {"our lean client": clients.closed_loop, "aiohttp": clients.outside_loop}

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
    with stage.running(home, SERVERS) as urls:
        found = {shape.name: measure(shape, urls, asked.rounds, asked.turn) for shape in SHAPES}
    command = f"python -m bench.web_servers {' '.join(arguments)}".rstrip()
    results.write(asked.results, "web-servers", command, environment, found, page(found, asked.rounds))


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


if __name__ == "__main__":
    main()
