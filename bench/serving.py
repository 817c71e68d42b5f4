"""`make bench-serving`: how fast the service is beside its peers, and how it does under load and with many models.

Four parts, each of which may be left out: throughput of all contenders, the load curve, memory over many requests, and
fifty models against a cache for ten. The results go to docs/results/serving.md, .json and .png. A quick look:
`make bench-serving BENCH="--rounds 1 --turn 0.5 --seconds 0.5 --requests 500"`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from bench import cache, load, memory, results, throughput, workload
from examples.running import running_service
from latentaug.storage.objects import ArtefactStore

HOME = Path("build/bench-serving")
PARTS = ("throughput", "load", "soak", "cache")
LOAD_ROUNDS = 5
"""Most rounds of the load curve."""
CACHE_SHARE = 10
"""The many models get one request for every `CACHE_SHARE` of `--requests`."""


def main(arguments: Sequence[str], home: Path = HOME) -> None:
    """Measure what is asked for, with all files in `home`, which is emptied first, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="counted rounds of each contender (15)")
    parser.add_argument("--turn", type=float, default=1.5, help="seconds of a contender's turn in a round (1.5)")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds of one point of the load curve (5)")
    parser.add_argument(
        "--requests", type=int, default=20_000, help="requests over which memory must stay flat (20000)"
    )
    parser.add_argument("--deadline", type=float, default=2.0, help="seconds until a request's deadline under load (2)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where everyone computes (cpu)")
    parser.add_argument("--api-processes", type=int, default=1, help="API processes of the service at one port (1)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (all)")
    parser.add_argument(
        "--contenders", nargs="+", choices=throughput.NAMES, default=throughput.NAMES, help="who takes part (all)"
    )
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder to write to (docs/results)")
    given = parser.parse_args(arguments)
    if not memory.AVAILABLE and {"soak", "cache"} & set(given.parts):
        parser.error("memory is measured on Linux only; give --parts throughput load")
    if given.rounds < 1:
        parser.error("--rounds must be at least 1")
    environment = results.environment(given.device)
    os.environ["OMP_NUM_THREADS"] = "1"  # of every process that is started from here
    torch.set_num_threads(1)
    shutil.rmtree(home, ignore_errors=True)
    store_url = (home.absolute() / "store").as_uri()
    workload.save_trained(ArtefactStore(store_url))
    data: dict[str, Any] = {}
    page = ["# Serving", "", results.FAIR, ""]
    with running_service(home, threads="1", device=given.device, api_processes=str(given.api_processes)) as service:
        if "throughput" in given.parts:
            page += _throughput(given, service.url, store_url, home, data)
        if "load" in given.parts:
            page += _load(given, service.url, data)
        if "soak" in given.parts:
            page += _soak(given, service.url, data)
    if "cache" in given.parts:
        page += _cache(given, home, data)
    results.write(
        given.results,
        results.named("serving", given.device),
        results.command("bench-serving", arguments),
        environment,
        data,
        page,
    )


def _throughput(given: argparse.Namespace, url: str, store_url: str, home: Path, data: dict[str, Any]) -> list[str]:
    found = [
        throughput.measure(
            shape,
            store_url,
            url,
            home,
            rounds=given.rounds,
            seconds=given.turn,
            names=given.contenders,
            device=given.device,
        )
        for shape in workload.SHAPES
    ]
    data["throughput"] = {result.shape.name: result.rounds for result in found}
    return [
        "## Throughput",
        "",
        f"Encode, {workload.CHILDREN} neighbours and decode of {workload.CHILDREN} new images for each image; images "
        f"taken in a second, median of {given.rounds} rounds of {given.turn:g} s. In-process contenders get one "
        "request a call, single images sixteen. Ratios are medians of the rounds' own, whose contenders follow one "
        "another within seconds.",
        "",
        *throughput.table(found),
        "",
    ]


def _load(given: argparse.Namespace, url: str, data: dict[str, Any]) -> list[str]:
    rounds = min(given.rounds, LOAD_ROUNDS)
    saturation, points = load.curve(url, rounds=rounds, seconds=given.seconds, deadline=given.deadline)
    data["load"] = {"saturation": saturation, "deadline": given.deadline, "points": [asdict(p) for p in points]}
    given.results.mkdir(parents=True, exist_ok=True)
    picture = f"{results.named('serving', given.device)}.png"
    (given.results / picture).write_bytes(load.plot(points, given.deadline))
    return [
        "## Under load",
        "",
        f"Poisson arrivals of {load.SHAPE.images} images a request as npy, as fractions of the saturation of "
        f"{saturation:.1f} requests/s ({load.SHAPE.clients} clients, closed loop); {rounds} rounds of "
        f"{given.seconds:g} s each: their medians, and sums of counts; a deadline of {given.deadline:g} s.",
        "",
        *load.table(points),
        "",
        f"![Goodput and latency over offered load]({picture})",
        "",
    ]


def _soak(given: argparse.Namespace, url: str, data: dict[str, Any]) -> list[str]:
    found = load.soak(url, given.requests)
    data["soak"] = asdict(found)
    return ["## Memory", "", f"Over {found.requests:,} requests.", "", *load.soak_table(found), ""]


def _cache(given: argparse.Namespace, home: Path, data: dict[str, Any]) -> list[str]:
    found = cache.measure(home / "cache", max(1, given.requests // CACHE_SHARE), device=given.device)
    shutil.rmtree(home / "cache")  # half a gigabyte of models
    data["cache"] = asdict(found)
    return [
        "## Many models",
        "",
        "Decoding, each answer compared with the plain network's.",
        "",
        *cache.table(found),
        "",
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
