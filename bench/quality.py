"""`python -m bench.quality`: how long the quality report of 10,000 new images beside 50,000 takes, and what it says.

A VAE is trained briefly on MNIST (28x28), without labels and off the clock. Then the clock runs for what an augment job
does once its images are made: encode the real, the held-out and the new images, measure, draw the picture. What the
report says is told for new images whose quality is known beforehand: unseen digits, copies, digits with other labels or
shuffled pixels, and what the VAE makes.

Takes MNIST from the folder LATENTAUG_DATA_DIR; without it, random blobs of that size stand in for digits.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from bench import results
from latentaug.augment.methods import alter, residual, sigma
from latentaug.datasets import mnist
from latentaug.evaluation.features import Features
from latentaug.evaluation.quality import MOST_NEW, MOST_REAL, Real, Unseen, compare, drawn, held_out
from latentaug.evaluation.quality_report import Report, report
from latentaug.evaluation.quality_sheet import quality_sheet
from latentaug.options import Method, TrainingOptions
from latentaug.vae.codec import Codec
from latentaug.vae.training import fit

Pixels = NDArray[np.uint8]
Rows = NDArray[np.int64]
Made = TypeVar("Made")

LATENT_DIM, EPOCHS = 20, 3
TRAINED_ON = 20_000
"""Images that the VAE sees: enough for digits that can be told apart, after a minute or two."""
METHOD: Method = "interpolation"
CHILDREN = 3


@dataclass(frozen=True)
class Images:
    """Images, uint8 [n, 28, 28, 1], with labels, int64 [n]."""

    pixels: Pixels
    labels: Rows

    def take(self, rows: Rows) -> Images:
        """Some of them."""
        return Images(self.pixels[rows], self.labels[rows])


class Seconds(NamedTuple):
    """What a step takes: seconds that pass, and seconds that cores are busy, all together."""

    passed: float
    busy: float


@dataclass(frozen=True)
class New:
    """New images and the real ones that they were made from, if any."""

    images: Images
    source: Rows | None = None


def main(arguments: Sequence[str]) -> None:
    """Measure once and write docs/results/quality.*."""
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description="Time the quality report.")
    parser.add_argument("--new", type=int, default=MOST_NEW, help="new images (10,000)")
    parser.add_argument("--real", type=int, default=MOST_REAL, help="training images (50,000)")
    parser.add_argument("--threads", type=int, default=1, help="compute threads: a worker on two cores has one (1)")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder to write to (docs/results)")
    given = parser.parse_args(arguments)
    environment = results.environment()
    torch.set_num_threads(given.threads)
    source, training, unseen = _images(given.real, given.new)
    codec = _trained(training, unseen)
    new = _made(codec, training, given.new)
    steps, real = _timed(codec, training, unseen, new, given.results)
    first, second = (unseen.take(np.arange(start, len(unseen.labels), 2)) for start in (0, 1))
    usual = held_out(real, _features(codec, first))
    said = {name: _said(codec, real, usual, each) for name, each in _known(codec, training, second, new).items()}
    page = [*_time_page(source, steps, given), "", *_said_page(said), "", *_picture_page()]
    command = " ".join(["python -m bench.quality", *arguments])
    data = {
        "images": source,
        "new": given.new,
        "real": given.real,
        "held_out": len(unseen.labels),
        "threads": given.threads,
        "seconds": {name: each._asdict() for name, each in steps.items()},
        "reports": {name: each.model_dump() for name, each in said.items()},
    }
    results.write(given.results, "quality", command, environment, data, page)


def _images(real: int, new: int) -> tuple[str, Images, Images]:
    """Where they are from, the training images and as many held-out ones as there are new images."""
    folder = os.environ.get("LATENTAUG_DATA_DIR")
    if folder is None:
        every = _blobs(real + new)
        return "random blobs", every.take(np.arange(real)), every.take(np.arange(real, real + new))
    data = mnist.load([Path(folder)])
    every = Images(data.images, np.asarray(data.labels))
    others = np.concatenate([data.validation, data.test])
    return "MNIST", every.take(data.train[drawn(len(data.train), real)]), every.take(others[drawn(len(others), new)])


def _blobs(n: int, classes: int = 10) -> Images:
    """A bright spot on black, whose place tells its label."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, n)
    centres = 14 + 8 * np.stack([np.sin(2 * np.pi * labels / classes), np.cos(2 * np.pi * labels / classes)], axis=1)
    centres += rng.standard_normal((n, 2))
    pixels = np.empty((n, 28, 28, 1), np.uint8)
    grid = np.arange(28)
    for start in range(0, n, 1000):
        part = slice(start, start + 1000)
        down, across = (np.square(grid - centres[part, axis, None]) for axis in (0, 1))  # [rows, 28]
        pixels[part, ..., 0] = 255 * np.exp(-(down[:, :, None] + across[:, None]) / 12)
    return Images(pixels, labels)


def _trained(training: Images, unseen: Images) -> Codec:
    options = TrainingOptions(epochs=EPOCHS)
    made = fit(training.pixels[:TRAINED_ON], unseen.pixels[:1000], LATENT_DIM, options, device="cpu")
    return Codec(made.vae, "cpu")


def _made(codec: Codec, training: Images, count: int) -> New:
    """New images of some sources, as an augment job makes them with residual decoding."""
    rows = drawn(len(training.labels), -(-count // CHILDREN))
    some = training.take(rows)
    latents = codec.encode(some.pixels)
    altered = alter(
        latents,
        method=METHOD,
        alpha=0.5,
        k=CHILDREN,
        copies=CHILDREN,
        sigma=sigma(latents),
        seed=0,
        labels=some.labels,
    )
    levels = residual(
        some.pixels.astype(np.float32) / np.float32(255),
        codec.decode(latents),
        codec.decode(altered.latents),
        altered.source,
    )
    pixels = np.rint(255 * levels.clip(0, 1)).astype(np.uint8)[:count]
    source = altered.source[:count]
    return New(Images(pixels, some.labels[source]), rows[source])


def _timed(codec: Codec, training: Images, unseen: Images, new: New, folder: Path) -> tuple[dict[str, Seconds], Real]:
    """Seconds of each step, and what the steps made."""
    steps: dict[str, Seconds] = {}

    def timed(name: str, work: Callable[[], Made]) -> Made:
        started, busy = time.perf_counter(), time.process_time()
        made = work()
        steps[name] = Seconds(time.perf_counter() - started, time.process_time() - busy)
        print(f"{name}: {steps[name]}", flush=True)
        return made

    seen = timed("encode the real images", lambda: _features(codec, training))
    kept = timed("encode the held-out images", lambda: _features(codec, unseen))
    made = timed("encode the new images", lambda: _features(codec, new.images))
    real = timed("find the neighbourhoods of the real images", lambda: Real(seen))
    usual = timed("measure the held-out images", lambda: held_out(real, kept))
    quality, details = timed("measure the new images", lambda: compare(real, made, usual, new.source))
    folder.mkdir(parents=True, exist_ok=True)
    picture = timed(
        "draw the picture",
        lambda: quality_sheet(
            new.images.pixels, lambda rows: training.pixels[rows], new.images.labels, details, report(quality)
        ),
    )
    (folder / "quality.png").write_bytes(picture)
    return steps, real


def _features(codec: Codec, images: Images) -> Features:
    return Features(codec.encode(images.pixels), images.labels)


def _said(codec: Codec, real: Real, usual: Unseen, new: New) -> Report:
    return report(compare(real, _features(codec, new.images), usual, new.source)[0])


def _known(codec: Codec, training: Images, unseen: Images, new: New) -> dict[str, New]:
    """New images of which it is known what the report ought to say."""
    rng = np.random.default_rng(0)
    rows = drawn(len(training.labels), len(unseen.labels))
    copies = training.take(rows)
    flat = copies.pixels.reshape(len(rows), -1)
    shuffled = rng.permuted(flat, axis=1).reshape(copies.pixels.shape)
    return {
        "unseen images": New(unseen),
        "unseen images, random labels": New(Images(unseen.pixels, rng.permutation(unseen.labels))),
        "the training images themselves": New(copies, rows),
        "their pixels shuffled": New(Images(shuffled, copies.labels), rows),
        f"{METHOD}, alpha 0.5, residual": new,
        "reconstructions": New(
            Images(np.rint(255 * codec.decode(codec.encode(copies.pixels))).astype(np.uint8), copies.labels), rows
        ),
    }


def _time_page(source: str, steps: dict[str, Seconds], given: argparse.Namespace) -> list[str]:
    rows = {**steps, "all": Seconds(*map(sum, zip(*steps.values(), strict=True)))}
    return [
        "# The quality report",
        "",
        f"The report of {given.new:,} new images of 28x28 beside {given.real:,} real ones takes "
        f"{rows['all'].passed:.0f} s, encoding included, with compute threads: {given.threads} ({source}, "
        f"Z = {LATENT_DIM}). On two cores a worker has one by default; more of them wait for each other on a busy "
        "machine and then take longer. Beside the seconds that pass stand those that the cores were busy with it, all "
        "together, which hang less on what else the machine does.",
        "",
        "| step | seconds | of the cores |",
        "|---|---|---|",
        *(f"| {name} | {each.passed:.1f} | {each.busy:.1f} |" for name, each in rows.items()),
    ]


def _said_page(said: dict[str, Report]) -> list[str]:
    first = next(iter(said.values()))
    return [
        "## What it says of images whose quality is known",
        "",
        f"As many real images as there are unseen ones would cover {first.coverage_if_real:.0%} of the training "
        "images. Nearer: how often a new image is nearer to a training image than an unseen one is. Here half of the "
        "held-out images are the unseen ones, and the other half are measured.",
        "",
        "| new images | density | coverage | nearer | near-copies | labels shared | warning |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {name} | {each.density:.2f} | {each.coverage:.0%} | {each.nearer_than_unseen:.0%} | "
            f"{each.near_copies:.0%} | {each.label_agreement or 0:.0%} | {each.warning or ''} |"
            for name, each in said.items()
        ),
    ]


def _picture_page() -> list[str]:
    return [
        "![The best, the worst and the most copied of the new images](quality.png)",
        "",
        f"*What `{METHOD}` with alpha 0.5 and residual decoding made, as an augment job's `quality.png` shows it.*",
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
