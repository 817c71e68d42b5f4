"""New latents from old: noise, interpolation and extrapolation (section 3.2, equations 8 to 10); the residual decode.

Latents are float32 [n, d]: the means that the encoder gives. No torch in here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentaug.errors import InvalidInput, TooFewImages

METHODS = ("noise", "interpolation", "extrapolation")
MAX_ALPHA = 10.0
MAX_CHILDREN = 1000
MAX_LATENT = 1e9
SAME_ROW = 1e-10
"""Squared distance over squared length up to which two latents are of one image: float32 rounding in the encoder."""

_CHUNK_ELEMENTS = 2**18

Latents = NDArray[np.float32]
Rows = NDArray[np.int64]
Floats = NDArray[np.float32]


class ClassTooSmall(TooFewImages):
    """A class has fewer neighbours than asked for; `largest_k` is the largest k that every class can serve."""

    def __init__(self, detail: str, largest_k: int) -> None:
        super().__init__(detail)
        self.largest_k = largest_k


@dataclass(frozen=True)
class Altered:
    """New latents and where each comes from.

    Attributes:
        latents: float32 [m, d]; child j of source i is at i * children + j.
        source: int64 [m], the row that was altered.
        neighbour: int64 [m], the row it was moved towards or away from, in the reference set where there is one,
            else among the sources; -1 for noise.
    """

    latents: Latents
    source: Rows
    neighbour: Rows


class _Candidates(NamedTuple):
    """Some rows of a pool, ready for `_squared_distances`: latents [c, d] and their squared lengths [c]."""

    rows: Rows
    latents: NDArray[np.float64]
    lengths: NDArray[np.float64]


class Reference:
    """Latents to look for neighbours in, prepared once for many searches.

    Args:
        latents: float32 [r, d], finite, within +-1e9.
        labels: int64 [r], or None.

    Raises:
        InvalidInput: latents or labels of another shape, or too large.
    """

    def __init__(self, latents: Latents, labels: Rows | None) -> None:
        _check_latents(latents, labels, latents.shape[-1])
        self.latents, self.labels = latents, labels
        self._candidates = dict[int | None, _Candidates]()

    def candidates(self, label: int | None) -> _Candidates:
        """The rows with a label, or all; kept, unless there are none, as callers may name labels without end."""
        if label in self._candidates:
            return self._candidates[label]
        rows = np.arange(len(self.latents))[slice(None) if label is None else self.labels == label]
        latents = self.latents[rows].astype(np.float64)
        candidates = _Candidates(rows, latents, np.einsum("nd,nd->n", latents, latents))
        return self._candidates.setdefault(label, candidates) if len(rows) else candidates


def name_class(error: TooFewImages, names: Sequence[object]) -> TooFewImages:
    """The same error with the label's own name in place of its number, for whoever knows the names.

    Args:
        error: of `neighbours`, perhaps on its way through another process.
        names: labels by number.
    """
    named = re.sub(r"^class (\d+) ", lambda found: f"class {str(names[int(found[1])])!r} ", error.detail)
    return TooFewImages(named, fields=error.fields)


def sigma(latents: Latents) -> Floats:
    """Standard deviation of each latent dimension across the projected data set (equation 8), float32 [d]."""
    deviations: Floats = latents.std(axis=0, dtype=np.float64).astype(np.float32)
    return deviations


def largest_usable_k(labels: Rows | None, n: int) -> int:
    """The largest k for which each of n latents has k other latents of its own label (of any, without labels)."""
    smallest = n if labels is None else int(np.unique(labels, return_counts=True)[1].min(initial=n))
    return max(smallest - 1, 0)


def neighbours(
    latents: Latents,
    labels: Rows | None,
    k: int,
    reference: Reference | None = None,
) -> Rows:
    """Find the k nearest latents of the same label (Euclidean), nearest first, ties by row.

    Without a reference a latent is never its own neighbour. A source that is also in the reference set would be its
    own nearest, so reference rows at distance zero (up to `SAME_ROW`) are passed over.

    Args:
        latents: float32 [n, d].
        labels: int64 [n], or None to look among all. Also ignored where the reference set has no labels.
        k: neighbours of each, at least 1.
        reference: to look in, or None to look among `latents`.

    Returns:
        int64 [n, k], rows of `reference`, or of `latents` without one.

    Raises:
        ClassTooSmall: a class has fewer than k neighbours.
    """
    itself = reference is None  # among the candidates
    pool = Reference(latents, labels) if reference is None else reference
    by_label = labels is not None and pool.labels is not None
    groups = [(label, rows, pool.candidates(label)) for label, rows in _classes(latents, labels if by_label else None)]
    largest_k = max(min(len(candidates.rows) for _, _, candidates in groups) - itself, 0)
    found = np.empty((len(latents), k), np.int64)
    for label, rows, candidates in groups:
        size = len(candidates.rows)
        if size - itself < k:
            raise _too_small(label, size, k, largest_k)
        step = max(1, _CHUNK_ELEMENTS // size)
        for start in range(0, len(rows), step):
            chunk = rows[start : start + step]
            distances = _squared_distances(latents[chunk], candidates, drop_same=not itself)  # [chunk, candidates]
            if itself:
                distances[np.arange(len(chunk)), np.searchsorted(candidates.rows, chunk)] = np.inf
            elif (usable := int(np.isfinite(distances).sum(axis=1).min())) < k:
                raise _too_small(label, usable, k, usable)
            found[chunk] = candidates.rows[_k_smallest(distances, k)]
    return found


def alter(
    latents: Latents,
    *,
    method: str,
    alpha: float = 0.5,
    k: int = 3,
    copies: int | None = None,
    sigma: Floats,
    seed: int = 0,
    labels: Rows | None = None,
    reference: Reference | None = None,
) -> Altered:
    """Make new latents: equation 8 (noise), 9 (interpolation) or 10 (extrapolation).

    Every source has the same number of children: `copies` with noise, one for each of its k neighbours otherwise.
    The result depends on the arguments alone: same seed, same bytes.

    Args:
        latents: float32 [n, d], finite, within +-1e9.
        method: one of `METHODS`.
        alpha: how far: 0..10, and 0..1 for interpolation. 0.5 in the paper.
        k: neighbours of each source, 1..1000. 3 in the paper.
        copies: children of each source with noise, 1..1000; k where None.
        sigma: float32 [d], standard deviations over the projected data set.
        seed: of the noise, 0..2^64 - 1.
        labels: int64 [n], or None: neighbours of any label.
        reference: to look for neighbours in, or None to look among the sources.

    Raises:
        InvalidInput: an argument outside its range or of another shape.
        ClassTooSmall: a class has fewer than k neighbours.
    """
    children = k if copies is None or method != "noise" else copies
    _check(latents, method, alpha, children, seed, labels, sigma)
    if reference is not None and reference.latents.shape[1] != latents.shape[1]:
        raise InvalidInput(f"the reference has other dimensions than the latents' {latents.shape[1]}; use one model")
    source = np.repeat(np.arange(len(latents)), children)  # [m]
    origin = latents[source]  # [m, d]
    step = np.float32(alpha)
    if method == "noise":
        shape = (len(latents), children, latents.shape[1])
        noise = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32).reshape(origin.shape)  # [m, d]
        return Altered(origin + step * sigma * noise, source, np.full(len(source), -1, np.int64))
    neighbour = neighbours(latents, labels, k, reference).reshape(-1)  # [m]
    towards = (latents if reference is None else reference.latents)[neighbour]  # [m, d]
    direction = towards - origin if method == "interpolation" else origin - towards
    return Altered(direction * step + origin, source, neighbour)


def check_alpha(method: str, alpha: float) -> None:
    """Refuse a method that is not one of `METHODS`, or an alpha that it does not take.

    Raises:
        InvalidInput: says which there are, or the range.
    """
    if method not in METHODS:
        raise InvalidInput(f"method is {method!r}; use one of {', '.join(METHODS)}")
    top = 1.0 if method == "interpolation" else MAX_ALPHA
    if not 0 <= alpha <= top:  # true for NaN too
        raise InvalidInput(f"alpha is {alpha}; {method} takes 0 to {top:g}")


def residual(images: Floats, reconstruction: Floats, altered_reconstruction: Floats, source: Rows) -> Floats:
    """Decode as a change to the source image: clip(x + decode(z') - decode(z), 0, 1).

    It keeps the detail that the VAE's own reconstruction blurs away. Not in the paper, which takes decode(z') alone.

    Args:
        images: float32 [n, ...] in 0..1, the sources x.
        reconstruction: float32 [n, ...], decode(z).
        altered_reconstruction: float32 [m, ...], decode(z').
        source: int64 [m], each child's row in `images`.

    Returns:
        float32 [m, ...] in 0..1.
    """
    moved: Floats = (images - reconstruction)[source] + altered_reconstruction  # [m, ...]
    return moved.clip(0, 1)


def _classes(latents: Latents, labels: Rows | None) -> Iterator[tuple[int | None, Rows]]:
    """Label and rows of the latents with it, sorted; one group without labels."""
    if labels is None:
        yield None, np.arange(len(latents))
        return
    for label in np.unique(labels):
        yield int(label), np.flatnonzero(labels == label)


def _too_small(label: int | None, size: int, k: int, largest_k: int) -> ClassTooSmall:
    where = "there are" if label is None else f"class {label} has"
    advice = f"use k up to {largest_k} or add images" if largest_k else "add images, or use noise, which needs none"
    return ClassTooSmall(f"{where} only {size} images to find {k} neighbours among; {advice}", largest_k)


def _squared_distances(a: Latents, b: _Candidates, *, drop_same: bool) -> Floats:
    """Squared Euclidean distances [a, b] of float32 [a, d]; infinite between equal rows where `drop_same`.

    Summed in float64 and rounded to float32, so that the order of the sums cannot tell two equal rows apart.
    """
    a64 = a.astype(np.float64)
    lengths = np.einsum("nd,nd->n", a64, a64)[:, None] + b.lengths  # [a, b]
    squared = (-2 * a64) @ b.latents.T  # [a, b]
    squared += lengths
    np.maximum(squared, 0, out=squared)
    if drop_same:
        squared[squared <= SAME_ROW * lengths] = np.inf
    rounded: Floats = squared.astype(np.float32)
    return rounded


def _k_smallest(distances: Floats, k: int) -> Rows:
    """Columns of the k smallest of each row, ascending, ties by column. Overwrites what it has found.

    One pass for each of a few k is faster than sorting, and settles ties.
    """
    rows = np.arange(len(distances))
    nearest = np.empty((len(distances), k), np.int64)
    for j in range(k):
        nearest[:, j] = distances.argmin(axis=1)
        distances[rows, nearest[:, j]] = np.inf
    return nearest


def _check(
    latents: Latents, method: str, alpha: float, children: int, seed: int, labels: Rows | None, sigma: Floats
) -> None:
    check_alpha(method, alpha)
    if not 1 <= children <= MAX_CHILDREN:
        raise InvalidInput(f"{children} children of each image; k and copies are 1 to {MAX_CHILDREN}")
    if not 0 <= seed < 2**64:
        raise InvalidInput(f"seed is {seed}; use 0 to 2^64 - 1")
    _check_latents(latents, labels, len(sigma))


def _check_latents(latents: Latents, labels: Rows | None, latent_dim: int) -> None:
    if latents.ndim != 2 or latents.shape[1] != latent_dim or len(latents) == 0:
        raise InvalidInput(f"latents have the shape {list(latents.shape)}; send [n, {latent_dim}] with n at least 1")
    if not (np.abs(latents) <= MAX_LATENT).all():  # false for NaN too
        raise InvalidInput(f"latents must be finite and within +-{MAX_LATENT:g}; encode the images again")
    if labels is not None and labels.shape != (len(latents),):
        raise InvalidInput(f"{labels.size} labels for {len(latents)} images; send one for each")
