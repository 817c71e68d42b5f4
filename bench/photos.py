"""What the network for photos makes of colour images, beside the paper's: `python -m bench.photos --help`.

Both train for the same seconds on the same images, without labels; then they reconstruct images that neither has seen,
and the residual network makes new ones by each method and each way of decoding. The sheets are to be looked at. Last, a
network is trained as a train job does that is given no parameters, and timed: that is to fit a coffee break.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench import results
from bench.photo_sets import SETS
from latentaug.augment.methods import alter, residual, sigma
from latentaug.augment.warps import warp
from latentaug.datasets import Dataset
from latentaug.imaging.pixels import contact_sheet, encode_png
from latentaug.options import METHODS, TOWARDS_NEIGHBOURS, ArchitectureName, TrainingOptions
from latentaug.storage.models import Reconstruction
from latentaug.vae.codec import Codec
from latentaug.vae.training import Trained, fit

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

ARCHITECTURES: tuple[ArchitectureName, ...] = ("paper", "residual")
SECONDS = 240.0
"""Of training, of each network."""
BREAK = 300.0
"""Most seconds that a training with the defaults is to take on two cores."""
SHOWN, SOURCES = 10, 6
"""Held-out images whose reconstructions are shown, and training images whose children are."""
ALPHA, K = 0.5, 3


@dataclass(frozen=True)
class Timed:
    """A training with the defaults.

    Attributes:
        trained: what it gave.
        seconds: that it took.
    """

    trained: Trained
    seconds: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, draw, and write docs/results/photos-<set>.*."""
    parser = argparse.ArgumentParser(description="Compare the networks on colour images.")
    parser.add_argument("--dataset", choices=SETS, default="crops")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of training, of each network")
    parser.add_argument("--device", default="cpu", help="cuda:0, or cpu")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="the folder for the page")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    environment, dataset = results.environment(asked.device), SETS[asked.dataset]()
    trained = {name: train(dataset, name, asked.seconds, asked.device) for name in ARCHITECTURES}
    default = by_default(dataset, asked.device)
    name = results.named(f"photos-{dataset.name}", asked.device)
    asked.results.mkdir(parents=True, exist_ok=True)
    codecs = {each: Codec(one.vae, asked.device) for each, one in trained.items()}
    (asked.results / f"{name}-reconstructions.png").write_bytes(encode_png(reconstructions(dataset, codecs)))
    (asked.results / f"{name}-children.png").write_bytes(encode_png(children(dataset, codecs["residual"])))
    results.write(
        asked.results,
        name,
        f"python -m bench.photos {' '.join(arguments)}".rstrip(),
        environment,
        {
            **{each: [asdict(epoch) for epoch in one.history] for each, one in trained.items()},
            "default": {"seconds": default.seconds, "history": [asdict(epoch) for epoch in default.trained.history]},
        },
        page(dataset, trained, asked.seconds, default, name),
    )


def train(dataset: Dataset, name: ArchitectureName, seconds: float, device: str) -> Trained:
    """Train one of the networks for so many seconds at most, with its defaults."""
    options = TrainingOptions(architecture=name, epochs=10_000, patience=10_000, max_seconds=seconds)
    return _fit(dataset, name, options, device)


def by_default(dataset: Dataset, device: str) -> Timed:
    """Train as a train job does that is given no parameters."""
    began = time.monotonic()
    return Timed(_fit(dataset, "default", TrainingOptions(), device), time.monotonic() - began)


def _fit(dataset: Dataset, told: str, options: TrainingOptions, device: str) -> Trained:
    return fit(
        dataset.images[dataset.train],
        dataset.images[dataset.validation],
        None,
        options,
        device=device,
        on_epoch=lambda epoch: print(f"{told}: epoch {epoch.epoch}, {epoch.validation_mse:.5f}", flush=True),
    )


def reconstructions(dataset: Dataset, codecs: dict[ArchitectureName, Codec]) -> Pixels:
    """Test images, and what each network makes of them, row by row."""
    images = dataset.images[dataset.test[:: len(dataset.test) // SHOWN][:SHOWN]]
    made = [levels(codecs[name].decode(codecs[name].encode(images))) for name in ARCHITECTURES]
    return contact_sheet([list(row) for row in (images, *made)], 1)


def children(dataset: Dataset, codec: Codec) -> Pixels:
    """Training images and their nearest children by each method, decoded in each way, column by column."""
    images, labels = dataset.images[dataset.train], dataset.labels
    assert labels is not None
    latents = codec.encode(images)
    sources = np.arange(0, len(images), len(images) // SOURCES)[:SOURCES]
    columns = [images[sources]]
    plain = images.astype(np.float32)[sources] / np.float32(255)
    for method in METHODS:
        altered = alter(
            latents,
            method=method,
            alpha=ALPHA,
            k=K,
            copies=K,
            sigma=sigma(latents),
            seed=0,
            labels=labels[dataset.train],
        )
        first = sources * K  # each source's child by its nearest neighbour
        decoded, own = codec.decode(altered.latents[first]), codec.decode(latents[sources])
        columns += [levels(decoded), levels(residual(plain, own, decoded, np.arange(SOURCES)))]
        if method in TOWARDS_NEIGHBOURS:
            share = np.full(SOURCES, ALPHA if method == "interpolation" else -ALPHA, np.float32)
            towards = images[altered.neighbour[first]]
            columns.append(warp(*(torch.from_numpy(each) for each in (images[sources], towards, share))).numpy())
    return contact_sheet([[column[row] for column in columns] for row in range(SOURCES)], 1)


def levels(images: Floats) -> Pixels:
    """Images in 0..1 as grey levels."""
    return np.rint(255 * images).astype(np.uint8)


def page(
    dataset: Dataset, trained: dict[ArchitectureName, Trained], seconds: float, default: Timed, name: str
) -> list[str]:
    """The numbers, and the sheets."""
    paper, other = (trained[each].validation_mse for each in ARCHITECTURES)
    half = "That is the goal: at most half." if other <= paper / 2 else "The goal was at most half."
    lines = [
        f"# Photos: {dataset.name}",
        "",
        f"After {seconds:g} seconds of training the residual network's mean squared error on held-out images is "
        f"{other / paper:.2f} of the paper's network's. {half}",
        "",
        "| network | Z | epochs | images a second | mean squared error, held out | PSNR, dB |",
        "|---|---|---|---|---|---|",
    ]
    for each, one in trained.items():
        speed = np.median([epoch.images_per_second for epoch in one.history])
        psnr = Reconstruction.of(one.validation_mse).psnr
        lines.append(
            f"| {each} | {one.vae.architecture.latent_dim} | {len(one.history)} | {speed:,.0f} "
            f"| {one.validation_mse:.4f} | {psnr:.1f} |"
        )
    height, width, channels = dataset.images.shape[1:]
    return [
        *lines,
        "",
        f"{len(dataset.train):,} training images of {height}x{width}x{channels} ({dataset.source}); "
        f"{len(dataset.validation)} held-out ones decide when the best epoch was. Grey levels in 0..1.",
        "",
        f"With the defaults of a train job, training took {default.seconds:.0f} seconds and "
        f"{len(default.trained.history)} epochs ({default.trained.vae.architecture.name}); the error is "
        f"{default.trained.validation_mse:.4f}. The goal on two cores, at most {BREAK:.0f} seconds: "
        f"{'reached' if default.seconds <= BREAK else 'missed'}.",
        "",
        "## Reconstructions",
        "",
        f"![Images, and their reconstructions by either network]({name}-reconstructions.png)",
        "",
        "From above: test images, the paper's network, the residual network.",
        "",
        "## New images",
        "",
        f"![Sources and their children]({name}-children.png)",
        "",
        f"From the left: sources; noise by reconstruction and residual; interpolation by reconstruction, residual and "
        f"warp; extrapolation likewise. alpha = {ALPHA}, by the nearest neighbour of the same class.",
    ]


if __name__ == "__main__":
    main()
