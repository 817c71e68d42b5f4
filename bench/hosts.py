"""`python -m bench.hosts`: how much sooner two hosts of one core each finish an evaluation than one of them does.

A host is a worker that is pinned to a core of this machine, with a home of its own; both share one Valkey and one
store. The VAE is trained once, before, and the same grid on the bundled digits (SVM, kNN and MLP) is then measured by
one host and by two, in turns. Trust the ratio only on a machine with two idle cores.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import machine
from bench.fleet import Fleet
from examples.running import Service
from service.stack.valkey import EmbeddedRedis

HOME = Path("build/hosts")
ADDRESSES = ("127.0.0.2", "127.0.0.3")
JOB_TIMEOUT = 3600.0  # seconds
TRAIN = {"dataset": "digits", "name": "shared", "latent_dim": 10, "seed": 1}
EVALUATE = {
    "dataset": "digits",
    "model": ["shared"],
    "labelled": 100,
    "methods": ["interpolation"],
    "comparators": [],
    "combine": False,
    "tune": False,
    "seed": 1,
}
GOAL = 0.55


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; medians count (3)")
    parser.add_argument("--draws", type=int, default=8, help="draws of the grid (8)")
    given = parser.parse_args(arguments)
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    with EmbeddedRedis(HOME / "valkey") as redis_url:
        common = {"redis_url": redis_url, "store_url": (HOME.absolute() / "store").as_uri()}
        with Fleet(HOME.absolute(), common, {}) as fleet:
            fleet.start_api("127.0.0.1")
            fleet.apis[0].wait("/healthz")  # nothing is asked of a model server
            for core, address in enumerate(ADDRESSES):
                fleet.start_worker(address, ("taskset", "-c", str(core)), queues='["train", "evaluate"]')
            service, second = Service(fleet.apis[0].url), fleet.workers[1]
            service.job("train", TRAIN, JOB_TIMEOUT)
            asked = {**EVALUATE, "draws": given.draws}
            both, one = list[float](), list[float]()
            for _ in range(given.rounds):
                both.append(_seconds(service, asked, hosts=2))
                second.stop()
                one.append(_seconds(service, asked, hosts=1))
                second.start()
    ratios = [two / alone for two, alone in zip(both, one, strict=True)]
    print(
        f"one host {statistics.median(one):.0f} s, two {statistics.median(both):.0f} s, medians of {given.rounds}: "
        f"ratio {statistics.median(ratios):.2f} (goal: at most {GOAL})\n"
        f"on {machine.describe()}, a core for each host, load {machine.load():.1f} at the end"
    )


def _seconds(service: Service, params: dict[str, Any], hosts: int) -> float:
    """Seconds from the job's submission to its end, once as many hosts wait for jobs."""
    while f'workers{{kind="evaluate"}} {hosts}.0' not in service.call("GET", "/metrics").decode():
        time.sleep(0.2)
    started = time.monotonic()
    service.job("evaluate", params, JOB_TIMEOUT)
    return time.monotonic() - started


if __name__ == "__main__":
    main()
