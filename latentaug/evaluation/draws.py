"""Which images of the training part are the few that a draw takes to be labelled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentaug.errors import TooFewImages

Labels = NDArray[np.int64]


def share(counts: Labels, labelled: int | None) -> Labels:
    """Spread labelled images over the classes in proportion to their size, at least one for each class there is.

    Args:
        counts: int64 [classes], images of each class in the training part.
        labelled: images to choose, or None for all.

    Returns:
        int64 [classes], which sums to `labelled`.

    Raises:
        TooFewImages: fewer labelled than classes, or more than there are.
    """
    available, present = int(counts.sum()), int((counts > 0).sum())
    if labelled is None:
        return counts
    if not present <= labelled <= available:
        raise TooFewImages(
            f"labelled is {labelled}; with {present} classes use {present} to {available}, all there are"
        )
    exact = counts * labelled / available
    sizes = np.maximum(np.floor(exact).astype(np.int64), counts > 0)
    while sizes.sum() < labelled:  # give one to the class that is owed most; it has room, as exact <= counts
        sizes[(exact - sizes).argmax()] += 1
    while sizes.sum() > labelled:  # take one from the class that has most too many, and at least two
        sizes[np.where(sizes > 1, sizes - exact, -np.inf).argmax()] -= 1
    return sizes


def draw(labels: Labels, sizes: Labels, seed: int) -> Labels:
    """Choose `sizes[label]` rows of each label at random: int64, sorted."""
    rng = np.random.default_rng(seed)
    groups = [rng.permutation(np.flatnonzero(labels == label))[:size] for label, size in enumerate(sizes)]
    return np.sort(np.concatenate(groups))
