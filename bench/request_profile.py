"""What a small request costs in Python, function by function, in the API and in the model server.

    python -m bench.request_profile                  single images from 16 callers: what takes most time
    python -m bench.request_profile --images 16 --clients 8 --rows 40

Times are of the processor and not of the clock, so that waiting is free. The profiler itself takes about as long as the
code, and more where functions are small: compare rows, and take the sums for too large.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from bench import clients, memory, stage, workload
from bench.workload import Shape

HOME = Path("build/request-profile")
ROOT = Path(__file__).parent.parent
WARM_SECONDS = 2.0
"""Seconds of calling before anything counts."""
MOST = 20
"""Rows of each thread that are shown."""


class Function(NamedTuple):
    """What the profiler says of a function."""

    file: str
    line: int
    name: str
    calls: int
    alone: float
    total: float

    @property
    def place(self) -> str:
        """Where it is, as a reader looks for it."""
        path = Path(self.file)
        if path.is_relative_to(ROOT):
            path = path.relative_to(ROOT)
        parts = path.parts[path.parts.index("site-packages") + 1 :] if "site-packages" in path.parts else path.parts
        return f"{'/'.join(parts)}:{self.line} {self.name}" if self.file else self.name


def main(arguments: Sequence[str] | None = None, home: Path = HOME) -> None:
    """Profile, and print a table for each thread."""
    parser = argparse.ArgumentParser(description="Profile the API and the model server under small requests.")
    parser.add_argument("--images", type=int, default=1, help="images of a request (1)")
    parser.add_argument("--clients", type=int, default=16, help="callers at once (16)")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds of calling (5)")
    parser.add_argument("--rows", type=int, default=MOST, help=f"functions shown of each thread ({MOST})")
    asked = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    os.environ["OMP_NUM_THREADS"] = "1"  # of every process that is started from here
    torch.set_num_threads(1)
    shape = Shape(asked.images, asked.clients)
    request = workload.npy_request(workload.request_images(shape.images), shape)
    api, model_server = (home.absolute() / f"{name}.profile" for name in ("api", "model-server"))
    profiled = {path: ("bench.profiled", str(path), module) for path, module in _modules(api, model_server)}
    with stage.running(home, {"API": profiled[api]}, profiled[model_server]) as urls:
        asyncio.run(clients.closed_loop(urls["API"], request, shape.clients, WARM_SECONDS))
        for pid in memory.descendants(os.getpid()):
            if memory.command(pid)[1:3] == ["-m", "bench.profiled"]:
                os.kill(pid, signal.SIGUSR1)
        rate = asyncio.run(clients.closed_loop(urls["API"], request, shape.clients, asked.seconds))
    answered = round(rate * asked.seconds)
    print(f"{shape.name}: {answered} requests while the profiler ran, in microseconds of the processor a request")
    for name, path in (("API", api), ("model server", model_server)):
        for thread, functions in read(path):
            print("\n".join(table(f"{name}, {thread}", functions, answered, asked.rows)))


def _modules(api: Path, model_server: Path) -> tuple[tuple[Path, str], ...]:
    return (api, "service.api"), (model_server, "service.model_server")


def read(path: Path) -> list[tuple[str, list[Function]]]:
    """What `bench.profiled` has written: each thread and its functions."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(name, [Function(*row) for row in rows]) for name, rows in lines]


def table(title: str, functions: Sequence[Function], requests: int, rows: int) -> list[str]:
    """The functions that take most time alone and are called for every request or nearly so."""
    often = [each for each in functions if each.calls > requests / 20 and each.alone]
    if not often:
        return []
    sums = sum(each.alone for each in often)
    lines = ["", f"{title}: {1e6 * sums / requests:.0f} in all", "   alone    with  calls"]
    for each in sorted(often, key=lambda each: -each.alone)[:rows]:
        figures = (1e6 * each.alone / requests, 1e6 * each.total / requests, each.calls / requests)
        lines.append("{:8.1f}{:8.1f}{:7.2f}  ".format(*figures) + each.place)
    return lines


if __name__ == "__main__":
    main()
