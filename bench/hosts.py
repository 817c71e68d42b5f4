"""`python -m bench.hosts`: how much sooner two hosts of one core each finish an evaluation than one of them does.

A host is a worker that is pinned to a core of this machine, with a home of its own; both share one Valkey and one
store. The VAE is trained once, before, and the same grid on the bundled digits (SVM, kNN and MLP) is then measured by
one host and by two, in turns. Trust the ratio only on a machine with two idle cores. Writes docs/results/hosts.md and
.json.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench import results
from bench.fleet import Fleet
from examples.running import Service
from service.stack.valkey import EmbeddedRedis

HOME = Path("build/hosts")
ADDRESSES = ("127.0.0.2", "127.0.0.3")
JOB_TIMEOUT = 3600.0  # seconds
TRAIN = {"dataset": "digits", "name": "shared", "latent_dim": 10, "epochs": 5, "seed": 1}
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
    """Measure both and write docs/results/hosts.*."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; medians count (3)")
    parser.add_argument("--draws", type=int, default=4, help="draws of the grid (4)")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="the folder for the page")
    arguments = sys.argv[1:] if arguments is None else arguments
    given = parser.parse_args(arguments)
    environment = results.environment()
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
    results.write(
        given.results,
        "hosts",
        " ".join(["python -m bench.hosts", *arguments]),
        environment,
        {"one": one, "two": both},
        page(one, both, given.draws),
    )


def page(one: Sequence[float], both: Sequence[float], draws: int) -> list[str]:
    """The page: seconds of one host and of two, and the ratio."""
    ratio = median(two / alone for two, alone in zip(both, one, strict=True))
    reached = "reached" if ratio <= GOAL else "missed"
    return [
        "# One evaluation on one host and on two",
        "",
        f"**Two hosts take {ratio:.2f} of the time of one.** Goal, at most {GOAL}: {reached}.",
        "",
        f"A host is a worker with one core and a folder of its own. Measured are {draws} draws of a grid on the "
        "bundled digits (SVM, kNN and MLP, pixels and latents) with a VAE that was trained before. Seconds from the "
        "job's submission to its end; the ratio is the median of the rounds' own.",
        "",
        "| round | one host, s | two hosts, s | ratio |",
        "|---|---|---|---|",
        *(
            f"| {number} | {alone:.1f} | {two:.1f} | {two / alone:.2f} |"
            for number, (alone, two) in enumerate(zip(one, both, strict=True), 1)
        ),
    ]


def _seconds(service: Service, params: dict[str, Any], hosts: int) -> float:
    """Seconds from the job's submission to its end, once as many hosts wait for jobs."""
    while f'workers{{kind="evaluate"}} {hosts}.0' not in service.call("GET", "/metrics").decode():
        time.sleep(0.2)
    started = time.monotonic()
    service.job("evaluate", params, JOB_TIMEOUT)
    return time.monotonic() - started


if __name__ == "__main__":
    main()
