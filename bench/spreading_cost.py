"""What spreading labels costs: `python -m bench.spreading_cost`, needs MNIST.

The training part's 55,000 latents on one core, part by part, with the memory of the process; and how soon a request of
4,096 images is answered by a real service that has nothing else to do. Writes docs/results/spreading-cost.md and .json.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench import kept, results, workload
from bench.accounts import drawn
from bench.labels import HOME as VAES
from bench.labels import STUDIES
from examples.running import running_service
from latentaug.augment.similarity import Neighbourhoods
from latentaug.augment.spreading import spread_over
from latentaug.datasets.dataset import UNLABELLED
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.codec import Codec
from latentaug.vae.networks import Network

DATASET, LABELLED = "mnist", 100
IMAGES = 4096
"""Of a request: as many as a service takes unless it is told otherwise."""
MORE = "with `space=auto`, so much more"
"""Neighbours are looked for on pixels too, and where they serve better, their shapes are compared."""
GOAL_SECONDS, GOAL_GIBIBYTES = 30.0, 2.0


@dataclass(frozen=True)
class Part:
    """A part of spreading: seconds of the core, seconds that passed, and the process's largest memory so far."""

    name: str
    core_seconds: float
    seconds: float
    gibibytes: float


def main(arguments: Sequence[str] | None = None, vaes: Path = VAES) -> None:
    """Measure and write docs/results/spreading-cost.*."""
    parser = argparse.ArgumentParser(description="Measure what spreading labels costs.")
    parser.add_argument("--dataset", choices=STUDIES, default=DATASET)
    parser.add_argument("--rounds", type=int, default=3, help="of the whole spreading, of which the middle one counts")
    parser.add_argument("--requests", type=int, default=5, help="of 4,096 images or as many as there are; 0 for none")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="the folder for the page")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    environment = results.environment()
    dataset, study = kept.read(asked.dataset), STUDIES[asked.dataset]
    assert dataset.labels is not None
    vae = kept.trained(vaes, dataset, study.latent_dim, study.training)
    images, truth = dataset.images[dataset.train], dataset.labels[dataset.train]
    known, latents = drawn(truth, LABELLED, 0), Codec(vae, "cpu").encode(images)
    rounds = [_alone(images, latents, known) for _ in range(asked.rounds)]
    spreading = sorted(rounds, key=lambda parts: sum(part.core_seconds for part in parts))[len(rounds) // 2]
    waits = _request(vae, images[:IMAGES], known_first(truth[:IMAGES]), asked.requests) if asked.requests else []
    results.write(
        asked.results,
        "spreading-cost",
        " ".join(["python -m bench.spreading_cost", *arguments]),
        environment,
        {"rounds": [[asdict(part) for part in parts] for parts in rounds], "request seconds": waits},
        page(spreading, waits, len(images), min(IMAGES, len(images)), latents.shape[1]),
    )


def known_first(truth: NDArray[np.int64]) -> NDArray[np.int64]:
    """The labels of a request: those of the first `LABELLED` images, -1 for the others."""
    return np.where(np.arange(len(truth)) < LABELLED, truth, UNLABELLED)


def _alone(images: NDArray[np.uint8], latents: NDArray[np.float32], known: NDArray[np.int64]) -> list[Part]:
    """Spread in a process of its own, so that its memory is that of spreading."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_measure, images, latents, known).result()


def _measure(images: NDArray[np.uint8], latents: NDArray[np.float32], known: NDArray[np.int64]) -> list[Part]:
    """Spread on one core, part by part."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    alike, parts = Neighbourhoods(images, latents), list[Part]()

    def measure(name: str, work: Callable[[], Any]) -> None:
        core, began = time.process_time(), time.perf_counter()
        work()
        parts.append(Part(name, time.process_time() - core, time.perf_counter() - began, _largest()))

    with threadpool_limits(1):
        measure("images in memory", lambda: None)
        measure("looking for neighbours among the latents", partial(alike.rough, "latent"))
        for side in alike.sides:
            measure(f"comparing shapes at {side} pixels", partial(alike.close, "latent", side))
        classes = int(known.max()) + 1
        measure("spreading, and choosing images", partial(spread_over, alike, known, classes, space="latent"))
        measure(MORE, partial(spread_over, alike, known, classes))
    return parts


def _largest() -> float:
    """The largest memory of this process so far, in GiB."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (2**30 if sys.platform == "darwin" else 2**20)


def _request(vae: Network, images: NDArray[np.uint8], labels: NDArray[np.int64], count: int) -> list[float]:
    """Seconds that each request took, one after the other."""
    body = io.BytesIO()
    np.savez(body, images=images, labels=labels)
    path, waits = f"/v1/models/{workload.MODEL}/label", list[float]()
    with TemporaryDirectory() as folder:
        home = Path(folder)
        workload.save(ArtefactStore((home / "store").as_uri()), workload.MODEL, vae, images)
        with running_service(home) as service:
            for _ in range(count):
                began = time.perf_counter()
                service.call("POST", path, body.getvalue(), "application/x-npz", "application/x-npz")
                waits.append(time.perf_counter() - began)
    return waits


def page(parts: Sequence[Part], waits: Sequence[float], images: int, of_request: int, dims: int) -> list[str]:
    """The page: whether the goals are reached, and what each part took."""
    return [
        "# What spreading labels costs",
        "",
        *_goals(parts, waits, images, of_request),
        "",
        f"{images:,} images, {LABELLED} labelled, neighbours in {dims} latents (`space=latent`), on one core:",
        "",
        "| part | seconds of the core | seconds | largest memory until then, GiB |",
        "|---|---|---|---|",
        *(f"| {p.name} | {p.core_seconds:.1f} | {p.seconds:.1f} | {p.gibibytes:.2f} |" for p in parts),
    ]


def _goals(parts: Sequence[Part], waits: Sequence[float], images: int, of_request: int) -> Iterator[str]:
    latent = [part for part in parts if part.name != MORE]
    seconds, memory = sum(part.core_seconds for part in latent), max(part.gibibytes for part in latent)
    fast, small = _reached(seconds, GOAL_SECONDS, "s"), _reached(memory, GOAL_GIBIBYTES, "GiB")
    yield f"- **Spreading {images:,} latents** takes {seconds:.1f} s of one core. Goal {GOAL_SECONDS:g} s: {fast}."
    yield f"- It takes {memory:.2f} GiB of memory at most. Goal {GOAL_GIBIBYTES:g} GiB: {small}."
    if waits:
        deadline = Settings().request_timeout
        answered = _reached(max(waits), deadline, "s")
        yield (
            f"- **A request of {of_request:,} images** to a service at rest is answered in {median(waits):.1f} s "
            f"(median of {len(waits)}; the slowest {max(waits):.1f} s). Its deadline is {deadline:g} s: {answered}."
        )


def _reached(found: float, goal: float, unit: str) -> str:
    return "reached" if found < goal else f"missed by {found - goal:.1f} {unit}"


if __name__ == "__main__":
    main()
