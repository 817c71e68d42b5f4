"""A data set in memory, its description, and how data sets are split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from latentaug.errors import TooFewImages

VALIDATION_SHARE = 0.1
TEST_SHARE = 0.3
UNLABELLED = -1
"""In place of the label of an image without one."""
SPLIT_SEED = 0
"""Every data set is split with this seed, so that its parts are always the same."""


class DatasetDescription(BaseModel):
    """Everything about a data set but its images; the answer of `GET /v1/datasets/{dataset}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    built_in: bool
    source: str
    images: int
    height: int
    width: int
    channels: int
    classes: list[str]
    """Label names by label number; empty if there are no labels."""
    class_counts: list[int] | None = None
    """Number of images of each class, if that is known without reading them."""
    parts: dict[str, int]
    """Number of images in the training, validation and test parts."""
    version: str | None = None
    """Name of the folder of an upload's files in the store."""
    sha256: str | None = None
    """Checksum of an upload's stored arrays."""
    created_at: datetime | None = None


@dataclass(frozen=True)
class Dataset:
    """Images, labels, and the parts that they are split into.

    Attributes:
        name: the data set's name.
        images: uint8 [n, height, width, channels].
        labels: int64 [n], numbers into `classes`, or None.
        classes: label names.
        train: rows of the training part, int64.
        validation: rows that decide when VAE training stops, int64.
        test: rows on which accuracy is measured and nothing else, int64.
        source: where the images come from.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    source: str

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over images, labels and parts: equal data have equal checksums, whatever their names."""
        digest = hashlib.sha256(repr((self.images.shape, self.classes)).encode())
        for array in (self.images, self.labels, self.train, self.validation, self.test):
            digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def split(
    n: int,
    labels: NDArray[np.int64] | None,
    seed: int = SPLIT_SEED,
    validation_share: float = VALIDATION_SHARE,
    test_share: float = TEST_SHARE,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Split n images at random, class by class if there are labels. What validation and test leave is for training.

    Every class keeps at least one training image, and no part is empty.

    Returns:
        The rows of training, validation and test, each int64 and sorted.

    Raises:
        TooFewImages: fewer than 4 images: 2 to train on, 1 to validate with and 1 to test with.
    """
    if n < 4:
        raise TooFewImages(f"a data set of {n} images cannot be split; give at least 4")
    rng = np.random.default_rng(seed)
    part = np.zeros(n, np.int64)  # 0 training, 1 validation, 2 test
    groups = [np.arange(n)] if labels is None else [np.flatnonzero(labels == label) for label in np.unique(labels)]
    for group in groups:
        shuffled = rng.permutation(group)
        test = min(round(len(group) * test_share), len(group) - 1)
        validation = min(round(len(group) * validation_share), len(group) - 1 - test)
        part[shuffled[:test]] = 2
        part[shuffled[test : test + validation]] = 1
    for missing in (1, 2):
        if not (part == missing).any():
            part[rng.choice(np.flatnonzero(part == 0))] = missing
    train, validation_rows, test_rows = (np.flatnonzero(part == i).astype(np.int64) for i in range(3))
    return train, validation_rows, test_rows
