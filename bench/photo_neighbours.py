"""Whether images whose latents are near each other are of one class: `python -m bench.photo_neighbours`.

The nearest of 20 labelled images of each class gives each test image its class: by latents as the residual network
gives them, by the same latents all made equally large, as the prior has them, and by pixels. The network is untrained,
so that this takes seconds: it is the linear model that training starts from.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import results
from bench.photo_sets import SETS
from latentaug.datasets import Dataset
from latentaug.evaluation.classifiers import KNN
from latentaug.evaluation.draws import draw
from latentaug.evaluation.training_sets import as_floats, flat
from latentaug.vae.architectures import LATENT_DIMS, Architecture
from latentaug.vae.codec import Codec
from latentaug.vae.networks import untrained

LABELLED, DRAWS = 20, 10
"""Labelled images of each class, and draws of them."""
SPACES = ("latents", "latents of equal size", "pixels")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write docs/results/photo-neighbours.*."""
    parser = argparse.ArgumentParser(description="Measure whether near latents are of one class.")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="the folder for the page")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    environment = results.environment()
    found = {name: measure(load()) for name, load in SETS.items()}
    command = f"python -m bench.photo_neighbours {' '.join(arguments)}".rstrip()
    results.write(asked.results, "photo-neighbours", command, environment, found, page(found))


def measure(dataset: Dataset) -> dict[str, float]:
    """Percent of the test images whose nearest labelled image is of their class, by space, as means over the draws."""
    assert dataset.labels is not None
    labels, train, test = dataset.labels, dataset.images[dataset.train], dataset.images[dataset.test]
    height, width, channels = train.shape[1:]
    architecture = Architecture(height, width, channels, LATENT_DIMS["residual"], name="residual")
    network = untrained(architecture, train, seed=0).eval()
    codec, scale = Codec(network, "cpu"), network.state_dict()["scale"].numpy()
    latents, latents_of_test = codec.encode(train), codec.encode(test)
    spaces = {
        "latents": (latents, latents_of_test),
        "latents of equal size": (latents / scale, latents_of_test / scale),
        "pixels": (flat(as_floats(train)), flat(as_floats(test))),
    }
    return {name: _right(dataset, labels, *spaces[name]) for name in SPACES}


def _right(dataset: Dataset, labels: NDArray[np.int64], X: NDArray[np.float32], X_test: NDArray[np.float32]) -> float:
    classes, shares = len(dataset.classes), list[float]()
    for seed in range(DRAWS):
        rows = draw(labels[dataset.train], np.full(classes, LABELLED), seed)
        nearest = KNN(classes, 1)
        nearest.fit(X[rows], labels[dataset.train][rows])
        shares.append(float((nearest.predict(X_test) == labels[dataset.test]).mean()))
    return 100 * float(np.mean(shares))


def page(found: dict[str, dict[str, float]]) -> list[str]:
    """The table."""
    return [
        "# Are images near each other in latent space of one class?",
        "",
        f"Percent of the test images whose nearest labelled image is of their class; {LABELLED} labelled images of "
        f"each class, {DRAWS} draws. The latents are those that the training of the residual network starts from.",
        "",
        f"| images | {' | '.join(SPACES)} |",
        f"|---|{'---|' * len(SPACES)}",
        *(f"| {name} | {' | '.join(f'{one[space]:.1f}' for space in SPACES)} |" for name, one in found.items()),
    ]


if __name__ == "__main__":
    main()
