"""The nearest others of each of very many points, nearly all of them right: looked for in the cells around its own.

Every point belongs to the cell of the nearest of some centres (k-means). The cells nearest to a cell, by their centres,
hold most of what is nearest to its points. All points of a cell are compared with all of those at once, which is a
product of two small matrices. It takes time in proportion to n^1.5, where an exact search takes n^2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

POINTS_OF_A_CELL = 128
AROUND = 96
"""How many cells are looked through for the points of each. `python -m bench.large` measures how much that finds."""
_SAMPLE, _ROUNDS = 32, 6  # points of each centre that k-means looks at, and how often
_ELEMENTS = 2**24

Progress = Callable[[float], None]


def nearest_in_cells(
    points: NDArray[np.float32], k: int, progress: Progress | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Some k of the nearest other rows of each, nearest first, and their squared Euclidean distances.

    Args:
        points: float32 [n, d], of which there are many more than `POINTS_OF_A_CELL` times `AROUND`.
        k: how many, far fewer than `POINTS_OF_A_CELL`.
        progress: told the share of rows that are done.

    Returns:
        int64 and float32, [n, k] each.
    """
    x = torch.tensor(points)
    x -= x.mean(dim=0)
    centres = _centres(x)
    cell = _nearest_centre(x, centres)
    order = torch.argsort(cell, stable=True)
    ends = torch.cumsum(torch.bincount(cell, minlength=len(centres)), 0).tolist()
    members = [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    around = torch.cdist(centres, centres).topk(min(AROUND, len(centres)), largest=False).indices.tolist()
    lengths = (x * x).sum(dim=1)
    rows, distances, done = np.empty((len(x), k), np.int64), np.empty((len(x), k), np.float32), 0
    for number, own in enumerate(members):
        others = torch.cat([members[each] for each in around[number]])
        for some in _chunks(own, len(others)):
            found, columns = _nearest(x, lengths, some, others, k)
            rows[some], distances[some] = others[columns].numpy(), found.clamp_min(0).numpy()
        done += len(own)
        if progress is not None:
            progress(done / len(x))
    return rows, distances


def _nearest(x: Tensor, lengths: Tensor, own: Tensor, others: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The squared distances of the k nearest of some others to each row, and their columns."""
    squared = torch.addmm(lengths[others], x[own], x[others].T, alpha=-2)  # [own, others]
    squared[own[:, None] == others] = torch.inf
    found, columns = squared.topk(k, dim=1, largest=False)
    return found + lengths[own, None], columns


def _centres(x: Tensor) -> Tensor:
    """As many centres as make cells of `POINTS_OF_A_CELL` on average, by k-means on a sample of the points."""
    count = max(1, len(x) // POINTS_OF_A_CELL)
    sample = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[: _SAMPLE * count]]
    centres = sample[:count].clone()
    for _ in range(_ROUNDS):
        cell = _nearest_centre(sample, centres)
        sizes = torch.bincount(cell, minlength=count)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, cell, sample)
        centres = torch.where(sizes > 0, sums / sizes.clamp_min(1), centres)
    return centres


def _nearest_centre(x: Tensor, centres: Tensor) -> Tensor:
    """Which centre is nearest to each point, int64 [n]."""
    lengths, turned = (centres * centres).sum(dim=1), centres.T
    return torch.cat([torch.addmm(lengths, some, turned, alpha=-2).argmin(dim=1) for some in _chunks(x, len(centres))])


def _chunks(rows: Tensor, others: int) -> Iterator[Tensor]:
    """So many rows at a time as may be compared with so many others."""
    step = max(1, _ELEMENTS // max(1, others))
    return (rows[start : start + step] for start in range(0, len(rows), step))
