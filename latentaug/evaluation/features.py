"""Images by what a model sees in them, and exact distances among many of them in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentaug.augment.neighbours import SAME_ROW
from latentaug.datasets import UNLABELLED

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Progress = Callable[[float], None]

_BLOCK = 2**20
"""Distances in memory at a time: they stay in the cache, which halves the time."""
_ROUNDING = 1e-5
"""Squared distances may be off by this part of the squared length, as they come from float32 products."""


@dataclass(frozen=True)
class Features:
    """Some images as a model sees them.

    Attributes:
        values: such as the means of a VAE's encoder, float32 [n, d].
        labels: int64 [n], `UNLABELLED` for an image without one; None where no image has one.
    """

    values: Floats
    labels: Rows | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Rows) -> Features:
        """Some of them."""
        return Features(self.values[rows], None if self.labels is None else self.labels[rows])

    @property
    def labelled(self) -> Rows:
        """Which have a label, int64."""
        return np.empty(0, np.int64) if self.labels is None else np.flatnonzero(self.labels != UNLABELLED)


def same(gaps: Floats, values: Floats) -> NDArray[np.bool_]:
    """Whether features that differ by `gaps`, [m, d], from `values`, [m, d], are of one image, up to rounding."""
    found: NDArray[np.bool_] = np.square(gaps).sum(axis=1) <= SAME_ROW * np.square(values).sum(axis=1)
    return found


class Space:
    """Points among which others are looked for.

    Args:
        points: float32 [n, d].
    """

    def __init__(self, points: Floats) -> None:
        self._mean = points.mean(axis=0, dtype=np.float64).astype(np.float32)  # centred, products lose least
        self._points = self._centred(points)  # [n, d]
        self._lengths = self._points.square().sum(dim=1)  # [n]

    def nearest(
        self, points: Floats, k: int, without: Rows | None = None, progress: Progress | None = None
    ) -> tuple[Rows, Floats]:
        """The k nearest of each point and their distances, nearest first; 0 where two images are the same.

        Args:
            points: float32 [m, d].
            k: at least 1, and less than n where one is left out.
            without: int64 [m], a row that does not count for each point, -1 for none.
            progress: told the share that is done; what it raises ends the search.

        Returns:
            int64 and float32, [m, k] each.
        """
        rows, distances = np.empty((len(points), k), np.int64), np.empty((len(points), k), np.float32)
        for part, own, squared in self._blocks(points):
            if without is not None:
                left = torch.tensor(without[part])
                some = torch.nonzero(left >= 0)[:, 0]
                squared[some, left[some]] = torch.inf
            found = squared.topk(k, dim=1, largest=False).indices  # [step, k]
            near = self._points[found]  # [step, k, d]
            exact = (near - own[:, None]).square().sum(dim=2)  # [step, k]
            exact[exact <= SAME_ROW * self._lengths[found]] = 0
            exact, order = exact.sort(dim=1, stable=True)
            rows[part], distances[part] = found.gather(1, order).numpy(), exact.sqrt().numpy()
            if progress is not None:
                progress(part.stop / len(points))
        return rows, distances

    def within(
        self, points: Floats, radii: Floats, weights: Floats, progress: Progress | None = None
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """In which balls around this space's points others lie.

        Args:
            points: float32 [m, d].
            radii: of the balls, float32 [n].
            weights: what each ball counts, float32 [n].
            progress: told the share that is done; what it raises ends the work.

        Returns:
            What the balls around each point count together, float32 [m], and whether any point lies in each ball, bool
            [n].
        """
        bounds = torch.tensor(radii).square() + _ROUNDING * self._lengths  # [n]
        counted, reached = np.empty(len(points), np.float32), torch.zeros(len(radii), dtype=torch.bool)
        each = torch.tensor(weights)
        for part, _, squared in self._blocks(points):
            inside = squared <= bounds  # [step, n]
            reached |= inside.any(dim=0)
            counted[part] = (inside.float() @ each).numpy()
            if progress is not None:
                progress(part.stop / len(points))
        return counted, reached.numpy()

    def crowds(self, points: Floats, radii: Floats) -> Rows:
        """How many of this space's points lie within a radius, float32 [m], of each other point, int64 [m]."""
        counted = np.empty(len(points), np.int64)
        for part, own, squared in self._blocks(points):
            bounds = torch.tensor(radii[part]).square() + _ROUNDING * own.square().sum(dim=1)  # [step]
            counted[part] = (squared <= bounds[:, None]).sum(dim=1).numpy()
        return counted

    def _blocks(self, points: Floats) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Some points at a time: which, they themselves [step, d], and their squared distances to all [step, n]."""
        step = max(1, _BLOCK // len(self._points))
        for start in range(0, len(points), step):
            part = slice(start, min(start + step, len(points)))
            own = self._centred(points[part])
            squared = torch.addmm(self._lengths, own, self._points.T, alpha=-2)  # [step, n]
            yield part, own, squared.add_(own.square().sum(dim=1, keepdim=True))

    def _centred(self, points: Floats) -> Tensor:
        return torch.tensor(points - self._mean)
