"""What class sizes allow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets import UNLABELLED


def largest_usable_k(labels: NDArray[np.int64] | None, n: int) -> int:
    """The largest k for which each of n latents has k other latents of its own label (of any, without a label)."""
    labelled = np.empty(0, np.int64) if labels is None else labels[labels != UNLABELLED]
    smallest = int(np.unique(labelled, return_counts=True)[1].min(initial=n))
    return max(smallest - 1, 0)
