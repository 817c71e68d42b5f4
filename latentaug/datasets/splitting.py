"""How a data set is split into training, validation and test parts, once and for all."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets.dataset import UNLABELLED
from latentaug.errors import TooFewImages

VALIDATION_SHARE = 0.1
TEST_SHARE = 0.3
SPLIT_SEED = 0
"""Every data set is split with this seed, so that its parts are always the same."""
FEWEST = 4
"""Fewest images of a data set: 2 to train on, 1 to validate with and 1 to test with."""

Rows = NDArray[np.int64]
Parts = tuple[Rows, Rows, Rows]

_TRAIN, _VALIDATION, _TEST, _NONE = range(4)


def split(
    n: int,
    labels: Rows | None,
    seed: int = SPLIT_SEED,
    validation_share: float = VALIDATION_SHARE,
    test_share: float = TEST_SHARE,
) -> Parts:
    """Split n images at random, class by class if there are labels. What validation and test leave is for training.

    Every class keeps at least one training image, and no part is empty.

    Args:
        n: number of images.
        labels: int64 [n], of which every image has one, or None.
        seed: seed of the draw.
        validation_share: share of each class that goes to validation.
        test_share: share of each class that goes to test.

    Returns:
        The rows of training, validation and test, each int64 and sorted.

    Raises:
        TooFewImages: fewer than 4 images.
    """
    check_enough(n)
    rng = np.random.default_rng(seed)
    part = np.full(n, _TRAIN)
    groups = [np.arange(n)] if labels is None else [np.flatnonzero(labels == label) for label in np.unique(labels)]
    for group in groups:
        _deal(part, group, rng, validation_share, test_share)
    for missing in (_VALIDATION, _TEST):
        if not (part == missing).any():
            part[rng.choice(np.flatnonzero(part == _TRAIN))] = missing
    return _rows(part)


def split_partly_labelled(images: NDArray[np.uint8], labels: Rows, seed: int = SPLIT_SEED) -> Parts:
    """Split images of which some have no label.

    Labelled images are split class by class as `split` does. Of the unlabelled ones a tenth validates and the rest
    trains; those that equal a test image, byte for byte, are in no part, so that nothing trains on what accuracy is
    measured on. There is always a validation image. The test part is empty if each class has one labelled image only,
    for every class keeps a training image.

    Args:
        images: uint8 [n, h, w, c].
        labels: int64 [n], `UNLABELLED` for images without a label, of which there is at least one.
        seed: seed of the draw.

    Returns:
        The rows of training, validation and test, each int64 and sorted.

    Raises:
        TooFewImages: fewer than 4 images.
    """
    check_enough(len(images))
    rng = np.random.default_rng(seed)
    part = np.full(len(images), _TRAIN)
    for label in np.unique(labels[labels != UNLABELLED]):
        _deal(part, np.flatnonzero(labels == label), rng, VALIDATION_SHARE, TEST_SHARE)
    tested = {_digest(images[row]) for row in np.flatnonzero(part == _TEST)}
    unlabelled = np.flatnonzero(labels == UNLABELLED)
    leaks = np.array([_digest(images[row]) in tested for row in unlabelled])
    part[unlabelled[leaks]] = _NONE
    pool = unlabelled[~leaks]
    _deal(part, pool, rng, VALIDATION_SHARE, test_share=0)
    if not (part == _VALIDATION).any():
        part[rng.choice(pool if len(pool) else np.flatnonzero(part == _TRAIN))] = _VALIDATION
    return _rows(part)


def check_enough(n: int) -> None:
    """Refuse too few images to split.

    Raises:
        TooFewImages: fewer than 4.
    """
    if n < FEWEST:
        raise TooFewImages(f"a data set of {n} images cannot be split; give at least {FEWEST}")


def _deal(part: Rows, group: Rows, rng: np.random.Generator, validation_share: float, test_share: float) -> None:
    """Deal shares of a group of rows to validation and test, and leave at least one to training."""
    shuffled = rng.permutation(group)
    test = min(round(len(group) * test_share), len(group) - 1)
    validation = min(round(len(group) * validation_share), len(group) - 1 - test)
    part[shuffled[:test]] = _TEST
    part[shuffled[test : test + validation]] = _VALIDATION


def _rows(part: Rows) -> Parts:
    train, validation, test = (np.flatnonzero(part == i).astype(np.int64) for i in (_TRAIN, _VALIDATION, _TEST))
    return train, validation, test


def _digest(image: NDArray[np.uint8]) -> bytes:
    return hashlib.sha256(image.tobytes()).digest()
