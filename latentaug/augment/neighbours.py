"""The nearest latents of the same label, and how far they are (section 3.2). No torch in here.

Latents are float32 [n, d]: the means that the encoder gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets import UNLABELLED
from latentaug.errors import InvalidInput, TooFewImages

MAX_LATENT = 1e9
SAME_ROW = 1e-10
"""Two latents belong to one image if their squared distance is at most this part of their squared length.

The encoder's float32 rounding may set them apart that far."""

_CHUNK_ELEMENTS = 2**15
_LEAST_STEP = 16
_SAMPLE = 1000

Between = Callable[[], None]
"""Called between two pieces of work, each of which takes a moment. What it raises ends the work."""

Latents = NDArray[np.float32]
Rows = NDArray[np.int64]
Floats = NDArray[np.float32]


def go_on() -> None:
    """Let the work go on, whoever waits for it."""


class ClassTooSmall(TooFewImages):
    """A class has fewer images to find neighbours among than k.

    Its number and the counts also travel in `fields`, as pairs of a name and a number, so that whoever knows the
    classes' names can say the same with them (`name_class`), even in another process.

    Args:
        label: the class's number, or None where labels do not matter.
        size: how many images there are to find neighbours among.
        k: how many neighbours were asked for.
        largest_k: the largest k that every class can serve.
    """

    def __init__(self, label: int | None, size: int, k: int, largest_k: int) -> None:
        where = "there are" if label is None else f"class {label} has"
        counts = {} if label is None else {"class": label, "size": size, "k": k, "largest_k": largest_k}
        super().__init__(
            _too_small(where, size, k, largest_k), fields=[(name, str(number)) for name, number in counts.items()]
        )
        self.largest_k = largest_k


class _Candidates(NamedTuple):
    """Some rows of a pool, ready for `_squared_distances`: latents [c, d] and their squared lengths [c]."""

    rows: Rows
    latents: NDArray[np.float64]
    lengths: NDArray[np.float64]


class Reference:
    """Latents among which neighbours are looked for, prepared once for many searches.

    Args:
        latents: float32 [r, d], finite, within +-1e9.
        labels: int64 [r], in which a latent may be `UNLABELLED`; or None.

    Raises:
        InvalidInput: latents or labels of another shape, or too large.
    """

    def __init__(self, latents: Latents, labels: Rows | None) -> None:
        check_latents(latents, labels, latents.shape[-1])
        self.latents, self.labels = latents, labels
        self._candidates = dict[int | None, _Candidates]()
        self._spacing: Floats | None = None

    def candidates(self, label: int | None) -> _Candidates:
        """The rows with a label, or all rows. They are kept, but an empty result is not: callers may name any label."""
        if label in self._candidates:
            return self._candidates[label]
        rows = np.arange(len(self.latents))[slice(None) if label is None else self.labels == label]
        latents = self.latents[rows].astype(np.float64)
        candidates = _Candidates(rows, latents, np.einsum("nd,nd->n", latents, latents))
        return self._candidates.setdefault(label, candidates) if len(rows) else candidates

    def nearest(self, latents: Latents, k: int, between: Between = go_on) -> tuple[Rows, Floats]:
        """The k nearest rows of any label, or all where there are fewer, and their distances, nearest first.

        Returns:
            int64 and float32, [n, min(k, r)] each.
        """
        everything = self.candidates(None)
        k = min(k, len(self.latents))
        found, distances = np.empty((len(latents), k), np.int64), np.empty((len(latents), k), np.float32)
        step = _step(len(self.latents))
        for start in range(0, len(latents), step):
            between()
            chunk = slice(start, start + step)
            squared = _squared_distances(latents[chunk], everything, drop_same=False)
            kept = squared.copy()
            found[chunk] = _k_smallest(squared, k)
            distances[chunk] = np.sqrt(np.take_along_axis(kept, found[chunk], axis=1))
        return found, distances

    @cached_property
    def sizes(self) -> dict[int, int]:
        """How many rows each label has."""
        labels, counts = np.unique(np.empty(0, np.int64) if self.labels is None else self.labels, return_counts=True)
        return dict(zip(labels.tolist(), counts.tolist(), strict=True))

    def spacing(self, between: Between = go_on) -> Floats:
        """The distance of each of up to 1,000 evenly chosen rows to its nearest other row, float32 [up to 1000]."""
        if self._spacing is None:
            some = np.linspace(0, len(self.latents) - 1, min(_SAMPLE, len(self.latents))).astype(np.int64)
            found, distances = self.nearest(self.latents[some], 2, between)
            first_is_itself = found[:, 0] == some
            self._spacing = np.where(first_is_itself, distances[:, -1], distances[:, 0])
        return self._spacing


def name_class(error: TooFewImages, names: Sequence[object]) -> TooFewImages:
    """Say what a `ClassTooSmall` says with the class's own name in place of its number.

    Args:
        error: any error of this kind; one that names no class by number is returned as it is.
        names: the classes' names, by number.
    """
    told = dict(error.fields)
    if "class" not in told:
        return error
    where = f"class {str(names[int(told['class'])])!r} has"
    return TooFewImages(_too_small(where, *(int(told[name]) for name in ("size", "k", "largest_k"))))


def neighbours(
    latents: Latents,
    labels: Rows | None,
    k: int,
    reference: Reference | None = None,
    sets: int = 1,
    between: Between = go_on,
) -> Rows:
    """Find the k nearest latents of the same label (Euclidean), nearest first, ties by row.

    Without a reference a latent is never its own neighbour. A source that is also in the reference set would be its
    own nearest, so reference rows at distance zero (up to `SAME_ROW`) are passed over.

    Args:
        latents: float32 [n, d].
        labels: int64 [n]; neighbours have the same label, and those of an `UNLABELLED` latent have any or none. None
            allows any label for all, and so does a reference set that has none.
        k: number of neighbours of each latent, at least 1.
        reference: where to look for neighbours; None means among `latents`.
        sets: how many sets of equal size the latents are, one after the other. Each latent's neighbours are what they
            would be, to the last bit, were its set alone.
        between: called between pieces of the search.

    Returns:
        int64 [n, k], rows of `reference`, or of `latents` without one.

    Raises:
        ClassTooSmall: a class has fewer than k neighbours.
    """
    size = len(latents) // sets
    if sets > 1 and (reference is None or labels is not None or size > _step(len(reference.latents))):
        found = np.empty((len(latents), k), np.int64)
        for start in range(0, len(latents), size):
            part = slice(start, start + size)
            rows = neighbours(latents[part], None if labels is None else labels[part], k, reference, between=between)
            found[part] = rows + start if reference is None else rows
        return found
    itself = reference is None  # among the candidates
    pool = Reference(latents, labels) if reference is None else reference
    by_label = labels is not None and pool.labels is not None
    groups = [(label, rows, pool.candidates(label)) for label, rows in _classes(latents, labels if by_label else None)]
    largest_k = max(min(len(candidates.rows) for _, _, candidates in groups) - itself, 0)
    found = np.empty((len(latents), k), np.int64)
    for label, rows, candidates in groups:
        if len(candidates.rows) - itself < k:
            raise ClassTooSmall(label, len(candidates.rows), k, largest_k)
        step = _step(len(candidates.rows))
        if sets > 1:
            step -= step % size
        for start in range(0, len(rows), step):
            between()
            chunk = rows[start : start + step]
            together = size if sets > 1 else len(chunk)
            distances = _squared_distances(latents[chunk], candidates, together, drop_same=not itself)
            if itself:
                distances[np.arange(len(chunk)), np.searchsorted(candidates.rows, chunk)] = np.inf
            elif (usable := int(np.isfinite(distances).sum(axis=1).min())) < k:
                raise ClassTooSmall(label, usable, k, usable)
            found[chunk] = candidates.rows[_k_smallest(distances, k)]
    return found


def check_latents(latents: Latents, labels: Rows | None, latent_dim: int) -> None:
    """Refuse latents or labels of another shape than [n, latent_dim] and [n], and latents too large to compute with.

    Raises:
        InvalidInput: says what is wrong.
    """
    if latents.ndim != 2 or latents.shape[1] != latent_dim or len(latents) == 0:
        raise InvalidInput(f"latents have the shape {list(latents.shape)}; send [n, {latent_dim}] with n at least 1")
    if not (np.abs(latents) <= MAX_LATENT).all():  # false for NaN too
        raise InvalidInput(f"latents must be finite and within +-{MAX_LATENT:g}; encode the images again")
    if labels is not None and labels.shape != (len(latents),):
        raise InvalidInput(f"{labels.size} labels for {len(latents)} images; send one for each")


def _classes(latents: Latents, labels: Rows | None) -> Iterator[tuple[int | None, Rows]]:
    """Each label with the rows of the latents that have it, sorted; None for the rows that may have any neighbour."""
    if labels is None:
        yield None, np.arange(len(latents))
        return
    for label in np.unique(labels):
        yield None if label == UNLABELLED else int(label), np.flatnonzero(labels == label)


def _too_small(where: str, size: int, k: int, largest_k: int) -> str:
    advice = f"use k up to {largest_k} or add images" if largest_k else "add images, or use noise, which needs none"
    images = "image" if size == 1 else "images"
    return f"{where} only {size} {images} to find {k} {'neighbour' if k == 1 else 'neighbours'} among; {advice}"


def _step(candidates: int) -> int:
    """For how many latents to look for neighbours at a time, so that their distances stay in the cache."""
    return max(_LEAST_STEP, _CHUNK_ELEMENTS // candidates)


def _squared_distances(a: Latents, b: _Candidates, together: int | None = None, *, drop_same: bool) -> Floats:
    """Squared Euclidean distances [a, b] of float32 [a, d]; infinite between equal rows where `drop_same`.

    Summed in float64 and rounded to float32, so that the order of the sums cannot tell two equal rows apart. That order
    depends on how many rows are multiplied at once: `together`, of which there are a whole number, or all.
    """
    a64 = a.astype(np.float64)
    lengths = np.einsum("nd,nd->n", a64, a64)[:, None] + b.lengths  # [a, b]
    stacked = (-2 * a64).reshape(-1, together or len(a), a.shape[1]) @ b.latents.T  # [a / together, together, b]
    squared = stacked.reshape(len(a), -1)  # [a, b]
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
