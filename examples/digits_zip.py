"""Writes examples/digits.zip: fifty of the bundled digits, in one folder for each label, for the README's commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from latentaug.datasets import digits
from latentaug.imaging.archives import write_zip

PER_DIGIT = 5


def main() -> None:
    """Write the first five images of each digit in the test part."""
    data = digits.load()
    assert data.labels is not None
    labels = data.labels[data.test]
    rows = data.test[np.concatenate([np.flatnonzero(labels == digit)[:PER_DIGIT] for digit in range(10)])]
    names = [data.classes[label] for label in data.labels[rows]]
    manifest = [{"row": int(row), "label": name} for row, name in zip(rows, names, strict=True)]
    Path("examples/digits.zip").write_bytes(write_zip(list(data.images[rows]), names, manifest))


if __name__ == "__main__":
    main()
