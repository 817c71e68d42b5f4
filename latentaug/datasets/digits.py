"""The 1,797 handwritten digits of 8x8 pixels that come with scikit-learn (UCI, Alpaydin and Kaynak, 1998).

They are read from scikit-learn's file without importing scikit-learn, which the API process does not need otherwise.
"""

from __future__ import annotations

import gzip
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

from latentaug.datasets.dataset import Dataset, DatasetDescription
from latentaug.datasets.splitting import split

_SOURCE = "scikit-learn's copy of the UCI digits, grey levels 0..16 spread over 0..255"

DESCRIPTION = DatasetDescription(
    name="digits",
    built_in=True,
    source=_SOURCE,
    images=1797,
    labelled=1797,
    height=8,
    width=8,
    channels=1,
    classes=[str(digit) for digit in range(10)],
    class_counts=[178, 182, 177, 183, 181, 182, 181, 179, 174, 180],
    parts={"train": 1079, "validation": 179, "test": 539},
)


def load() -> Dataset:
    """Load the digits."""
    path = Path(str(distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")))
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",")  # [1797, 65]: 64 pixels and the label
    images = np.rint(table[:, :64] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    labels = table[:, 64].astype(np.int64)
    train, validation, test = split(len(images), labels)
    return Dataset("digits", images, labels, tuple(DESCRIPTION.classes), train, validation, test, _SOURCE)
