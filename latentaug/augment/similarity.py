"""The graph of images that are alike: each image's nearest others, looked up in a space and then looked at closely."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from torch.nn import functional

from latentaug.augment.cells import Progress, nearest_in_cells
from latentaug.augment.distortion import SIDES, distortion, reduced, shapes, sides
from latentaug.datasets.selection import Images

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]

LEAST_CANDIDATES, MOST_CANDIDATES, PAIRS = 20, 100, 2**16
"""How many of each image's nearest others are looked at closely: as many as make `PAIRS` pairs in all, within bounds.
With 10 instead of 20, 0.2 % fewer of MNIST's labels were right; where classes are many and images few, more help."""
NEIGHBOURS = 4
"""Edges of each image; 3 to 5 are alike, with 7 fewer labels are right."""
SHARPNESS = 2.0
"""Weight of an edge: exp(-SHARPNESS * distance / median distance)."""
LEAST_WEIGHT = 1e-6
"""No image is cut off: what is like no other still belongs somewhere."""
COMPONENTS = 64
"""Principal components that pixels are reduced to before neighbours are looked for among them."""
EXACT = 2**17
"""Of more images neighbours are looked for in cells, among latents alone, and compared at the smallest side alone."""
_SEARCH_ELEMENTS = 2**24
_PAIR_ELEMENTS = 2**17
_COLUMNS = 32  # of a group, in which the nearest are looked for

Space = Literal["pixels", "latent"]


class Graph(NamedTuple):
    """Each image's nearest others, nearest first: rows int64 [n, k] and distances float32 [n, k]."""

    rows: Rows
    distances: Floats


def pixel_points(images: Images) -> Floats:
    """Images uint8 [n, h, w, c] as points: their pixels, float32 [n, d], or the principal components of many pixels."""
    parts = []
    for start in range(0, len(images), 1024):
        levels = torch.tensor(images[start : start + 1024]).permute(0, 3, 1, 2).float() / 255
        parts.append(reduced(levels, max(SIDES)).flatten(1))
    points = torch.cat(parts)
    if points.shape[1] > COMPONENTS:
        points -= points.mean(dim=0)
        axes = torch.linalg.eigh(points.T @ points).eigenvectors[:, -COMPONENTS:]  # of the largest eigenvalues
        points = points @ axes
    found: Floats = points.numpy()
    return found


def nearest(points: Floats, k: int | None = None, progress: Progress | None = None) -> Graph:
    """The k nearest other rows of each, exactly, by blocks of a matrix product; distances are squared and Euclidean.

    Args:
        points: float32 [n, d], n at least 2.
        k: how many; by default as many as will be looked at closely.
        progress: told the share of rows that are done.
    """
    x = torch.tensor(points)
    x -= x.mean(dim=0)
    n = len(x)
    k = min(candidates(n) if k is None else k, n - 1)
    lengths = (x * x).sum(dim=1)
    spare = -n % _COLUMNS  # rows that are nobody's neighbours, to fill the last groups
    others, beyond = functional.pad(x, (0, 0, 0, spare)).T, functional.pad(lengths, (0, spare), value=torch.inf)
    rows, distances = np.empty((n, k), np.int64), np.empty((n, k), np.float32)
    step = min(n, max(1, _SEARCH_ELEMENTS // n))
    block = torch.empty(step, len(beyond))
    for start in range(0, n, step):
        own = torch.arange(start, min(start + step, n))
        squared = block[: len(own)]  # [step, n], each short of its own row's length
        torch.addmm(beyond, x[own], others, alpha=-2, out=squared)
        squared[own - start, own] = torch.inf
        found, columns = _smallest(squared, k)
        rows[own] = columns.numpy()
        distances[own] = (found + lengths[own, None]).clamp_min(0).numpy()
        if progress is not None:
            progress(min(1.0, (start + step) / n))
    return Graph(rows, distances)


def _nearly_nearest(points: Floats, progress: Progress | None = None) -> Graph:
    """What `nearest` finds, but for a few rows in a hundred, in far less time for very many points."""
    return Graph(*nearest_in_cells(points, candidates(len(points)), progress))


def _smallest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k smallest of each row [m, n], smallest first, and their columns; n is a multiple of `_COLUMNS`.

    They lie in the k groups of columns that have the smallest minima, which are found much faster than the k smallest
    of a long row.
    """
    groups = values.shape[1] // _COLUMNS
    if groups <= k:
        plain = values.topk(k, dim=1, largest=False)
        return plain.values, plain.indices
    least = values.view(-1, _COLUMNS, groups).amin(dim=1)  # [m, groups]
    chosen = least.topk(k, dim=1, largest=False, sorted=False).indices
    columns = (chosen[:, :, None] + groups * torch.arange(_COLUMNS)).flatten(1)  # [m, k * _COLUMNS]
    found = values.gather(1, columns).topk(k, dim=1, largest=False)
    return found.values, columns.gather(1, found.indices)


def candidates(n: int) -> int:
    """How many of each image's nearest others are looked at closely, of n images."""
    return min(MOST_CANDIDATES, max(LEAST_CANDIDATES, PAIRS // n))


def look_closely(rough: Graph, features: Tensor, progress: Progress | None = None) -> Graph:
    """The same neighbours by how alike they are in shape, nearest first.

    Args:
        rough: the neighbours, and their distances elsewhere.
        features: of `distortion.shapes`, [n, c, h, w].
        progress: told the share of rows that are done.
    """
    n, k = rough.rows.shape
    distances = np.empty((n, k), np.float32)
    step = max(1, _PAIR_ELEMENTS // (k * features.shape[2] * features.shape[3]))
    for start in range(0, n, step):
        others = torch.tensor(rough.rows[start : start + step])
        found = distortion(features[start : start + len(others)], features[others.reshape(-1)])
        distances[start : start + step] = found.reshape(-1, k).numpy()
        if progress is not None:
            progress(min(1.0, (start + step) / n))
    order = distances.argsort(axis=1, kind="stable")
    return Graph(np.take_along_axis(rough.rows, order, 1), np.take_along_axis(distances, order, 1))


class Neighbourhoods:
    """The graphs of some images, each made when it is first asked for.

    They do not hang on any labels, so whoever spreads several sets of labels over the same images gives them again.

    Args:
        images: uint8 [n, h, w, c], n at least 2, in memory or not.
        latents: float32 [n, d], or None to look for neighbours among pixels alone.
    """

    def __init__(self, images: Images, latents: Floats | None = None) -> None:
        self.images = images
        self.latents = latents
        self._many = len(images) > EXACT
        self.sides = sides(images)[-1:] if self._many else sides(images)
        self._rough: dict[Space, Graph] = {}
        self._close: dict[tuple[Space, int], Graph] = {}

    @property
    def spaces(self) -> tuple[Space, ...]:
        """Where neighbours can be looked for."""
        if self.latents is None:
            return ("pixels",)
        return ("latent",) if self._many else ("pixels", "latent")

    def rough(self, space: Space, progress: Progress | None = None) -> Graph:
        """The nearest others of each image in a space."""
        if space not in self._rough:
            latents = self.latents if space == "latent" else None
            points = pixel_points(self.images) if latents is None else latents
            self._rough[space] = (_nearly_nearest if self._many else nearest)(points, progress=progress)
        return self._rough[space]

    def close(self, space: Space, side: int, progress: Progress | None = None) -> Graph:
        """The same, nearest by shape first, compared at one of the `sides`."""
        if (space, side) not in self._close:
            self._close[space, side] = look_closely(self.rough(space), shapes(self.images, side), progress)
        return self._close[space, side]


def edges(graph: Graph, values: Floats) -> sparse.csr_array:
    """A symmetric matrix [n, n] with the larger value wherever either image is among the other's first `NEIGHBOURS`.

    Args:
        graph: the neighbours.
        values: float32 [n, k], above 0, of each edge.
    """
    rows = graph.rows[:, :NEIGHBOURS]
    n, k = rows.shape
    chosen = sparse.csr_array((values[:, :k].ravel(), (np.arange(n).repeat(k), rows.ravel())), shape=(n, n))
    return chosen.maximum(chosen.T).tocsr()


def similarity(graph: Graph) -> sparse.csr_array:
    """S = D^-1/2 W D^-1/2 of the symmetric graph W, float32 [n, n]."""
    distances = graph.distances[:, :NEIGHBOURS]
    weights = np.exp(-SHARPNESS * distances / max(float(np.median(distances)), 1e-12))
    both = edges(graph, np.maximum(weights, LEAST_WEIGHT).astype(np.float32))
    scale = sparse.diags_array(1 / np.sqrt(np.asarray(both.sum(axis=1)).ravel()))
    return (scale @ both @ scale).tocsr().astype(np.float32)
