"""The order in which classifiers that learn step by step see their training samples."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def batches(n: int, steps: int, size: int) -> Iterator[Tensor]:
    """Rows of each step, all of one size: shuffled passes over n rows, end to end.

    The size is `size`, or n where that is smaller, but never 1: batch normalisation needs two. The order comes from
    torch's own generator, which the caller seeds.

    Args:
        n: rows there are, at least 1.
        steps: how many batches.
        size: rows in a batch.

    Yields:
        int64 [min(size, n)], or [2] where n is 1.
    """
    size = max(2, min(size, n))
    rows = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        while len(rows) < size:
            rows = torch.cat([rows, torch.randperm(n)])
        yield rows[:size]
        rows = rows[size:]
