"""A small data set, and the zip that a job made of it."""

from __future__ import annotations

import io

import numpy as np
import pytest

from latentaug.datasets import digits
from latentaug.datasets.dataset import UNLABELLED, Dataset
from latentaug.datasets.layouts import convert
from latentaug.imaging.archives import write_zip
from latentaug.options import Converted

DIGITS = digits.load()
CLASSES = ("a/b", "a b", "ten")  # two of them would share a folder's name
COUNT = 9


def converted(layout: Converted, made: bytes, dataset: Dataset) -> bytes:
    """The zip of a job in another layout, all pieces of it."""
    return b"".join(convert(layout, io.BytesIO(made), dataset))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """A small data set with an image without a label in its validation part."""
    labels = np.arange(30) % len(CLASSES)
    labels[20] = UNLABELLED
    rows = np.arange(30)
    return Dataset("small", DIGITS.images[:30], labels, CLASSES, rows[:18], rows[18:24], rows[24:], "tests")


@pytest.fixture(scope="module")
def made(dataset: Dataset) -> bytes:
    """The zip of a job: nine images, of which the last has no label and the first no neighbour."""
    names = [*(CLASSES[i % 3] for i in range(COUNT - 1)), None]
    manifest = [
        {
            "source": i,
            "neighbour": -1 if i == 0 else i + 1,
            "method": "noise",
            "alpha": 0.5,
            "seed": None,
            "reject_label": i == 2,
            "label": name,
        }
        for i, name in enumerate(names)
    ]
    return write_zip(list(dataset.images[:COUNT]), names, manifest)
