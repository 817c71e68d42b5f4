"""What a network's latents are worth: to classifiers that see a few labelled ones, and to label spreading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.accounts import FIRST_SEED, account, drawn, percent
from latentaug.augment.similarity import Neighbourhoods
from latentaug.augment.spreading import spread_over
from latentaug.datasets import Dataset
from latentaug.datasets.dataset import UNLABELLED
from latentaug.evaluation import classifiers
from latentaug.vae.codec import Codec
from latentaug.vae.networks import Network

DRAWS = 3
SPREAD_LABELLED = 100
"""Labelled images of each draw that labels are spread from."""
SPREAD_IMAGES = 20_000
"""Training images that labels are spread over, at most."""
CLASSIFIERS = {"svm": "SVM", "knn": "kNN"}


class Part(NamedTuple):
    """A part of the data set: latents float32 [n, latent_dim], and labels int64 [n]."""

    latents: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """What a network is good for.

    Attributes:
        latent_dim: dimensions of its latents.
        in_use: latents that tell images apart.
        epochs: passes over the training part.
        seconds: of the processor, with validation.
        images_per_second: of training, by the processor's seconds.
        mse: mean squared error of reconstructed test images, grey levels in 0..1.
        accuracy: percent of the test images, by classifier and draw.
        right: percent of right ones among the spread labels, by draw.
    """

    latent_dim: int
    in_use: int
    epochs: int
    seconds: float
    images_per_second: float
    mse: float
    accuracy: dict[str, list[float]]
    right: list[float]


def good_for(vae: Network, dataset: Dataset, labelled: int, facts: Mapping[str, Any]) -> Found:
    """How well a network reconstructs, and what its latents are worth.

    Args:
        vae: trained on the training part.
        dataset: with labels.
        labelled: labelled images of each draw that the classifiers learn from.
        facts: `epochs`, `seconds` and `images_per_second` of its training.
    """
    assert dataset.labels is not None
    codec, images, labels = Codec(vae, "cpu"), dataset.images, dataset.labels
    train, test = (Part(codec.encode(images[rows]), labels[rows]) for rows in (dataset.train, dataset.test))
    return Found(
        latent_dim=vae.architecture.latent_dim,
        in_use=vae.in_use(train.latents),
        mse=mean_squared_error(codec, test.latents, images[dataset.test]),
        accuracy={
            name: [_accuracy(name, train, test, labelled, draw) for draw in range(DRAWS)] for name in CLASSIFIERS
        },
        right=_right(images[dataset.train[:SPREAD_IMAGES]], train),
        **facts,
    )


def mean_squared_error(codec: Codec, latents: NDArray[np.float32], images: NDArray[np.uint8]) -> float:
    """Of images uint8 [n, h, w, c] decoded from their latents [n, latent_dim], grey levels in 0..1."""
    squares = np.square(codec.decode(latents) - images / np.float32(255))
    return float(squares.mean(dtype=np.float64))


def _accuracy(name: str, train: Part, test: Part, labelled: int, draw: int) -> float:
    """Percent of the test latents that a tuned classifier names rightly, by the labelled ones of a draw."""
    rows = np.flatnonzero(drawn(train.labels, labelled, draw) != UNLABELLED)
    X, y, classes, seed = train.latents[rows], train.labels[rows], int(train.labels.max()) + 1, FIRST_SEED + draw
    classifier = classifiers.make(name, classes, seed, classifiers.tune(name, X, y, classes, seed))
    classifier.fit(X, y)
    return percent(classifier.predict(test.latents) == test.labels)


def _right(images: NDArray[np.uint8], train: Part) -> list[float]:
    """Percent of right ones among the labels that are spread over images uint8 [n, h, w, c] by latents, by draw."""
    alike, truth, found = Neighbourhoods(images, train.latents[: len(images)]), train.labels[: len(images)], []
    for draw in range(DRAWS):
        known = drawn(truth, SPREAD_LABELLED, draw)
        spread = spread_over(alike, known, int(truth.max()) + 1, space="latent", seed=draw)
        found.append(account(spread, known, truth).right)
    return found
