"""As many digits as are wanted, 28x28: affine and elastic copies of the bundled ones, no two alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentaug.augment.classical import affine, elastic
from latentaug.datasets import digits
from latentaug.imaging.pixels import fit

SIDE = 28
_TOGETHER = 4096


def draw(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """So many images, uint8 [n, 28, 28, 1], and their labels, int64 [n]; the same seed gives the same."""
    bundled = digits.load()
    labels = np.asarray(bundled.labels)
    large = fit(bundled.images, SIDE, SIDE, 1, resize=True).astype(np.float32) / np.float32(255)
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(large), count)
    images = np.empty((count, SIDE, SIDE, 1), np.uint8)
    for start in range(0, count, _TOGETHER):
        some, copies_seed = rows[start : start + _TOGETHER], int(rng.integers(2**31))
        images[start : start + len(some)] = np.rint(
            elastic(affine(large[some], 1, copies_seed), 1, copies_seed) * np.float32(255)
        )
    return images, labels[rows]
