"""The training set that a recipe makes: the labelled images, others with spread labels, and new images of them all.

The labelled images come first, then the newly labelled ones, both in the order of their rows, then one block of new
images for each part of the recipe: child j of the i-th image is at i * copies + j of its block. Images are uint8, so
that what is measured is what a caller is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from latentaug.augment import classical
from latentaug.augment.exact_counts import alter_in_rounds
from latentaug.augment.methods import residual, sigma
from latentaug.augment.neighbours import neighbours
from latentaug.augment.spreading import Spread
from latentaug.augment.warps import move, register
from latentaug.datasets.dataset import UNLABELLED
from latentaug.errors import InvalidInput, TooFewImages
from latentaug.options import METHODS, Part, Recipe, Source, Strength
from latentaug.vae.codec import BATCH, Codec
from latentaug.vae.memory import together

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Progress = Callable[[float], None]

REAL, LABELLED, NEW = "real", "labelled", "new"
KINDS = (REAL, LABELLED, NEW)
"""Where an image of a training set comes from: it was labelled before, it is newly labelled, or it is new."""

WITH_NEIGHBOURS: tuple[Source, ...] = ("warp", "interpolation", "extrapolation")
"""What needs two images of each class at least."""
WARPED_TOWARDS = 9
"""The nearest images of its class that an image is warped towards, in turn (docs/results/warps.md)."""

_DEFAULTS = Strength()
_CHUNKS = 4
"""Plain copies are made of so many times more images together: they take less memory than a network."""


@dataclass(frozen=True)
class Given:
    """Images of which some are labelled, and what a VAE makes of them.

    Attributes:
        images: uint8 [n, h, w, c].
        labels: int64 [n], numbers of classes; `UNLABELLED` for an image without a label.
        classes: how many classes there are.
        codec: the VAE, or None.
        latents: float32 [n, latent_dim], means by that VAE, or None.
    """

    images: Images
    labels: Rows
    classes: int
    codec: Codec | None = None
    latents: Floats | None = None

    @staticmethod
    def of(images: Images, labels: Rows, classes: int, codec: Codec | None = None) -> Given:
        """Encode the images, where there is a VAE."""
        return Given(images, labels, classes, codec, None if codec is None else codec.encode(images))

    @property
    def labelled(self) -> Rows:
        """Rows of the labelled images, int64, ascending."""
        return np.flatnonzero(self.labels != UNLABELLED)

    @property
    def unlabelled(self) -> int:
        """How many images have no label."""
        return int((self.labels == UNLABELLED).sum())

    def with_labels(self, labels: Rows) -> Given:
        """The same images with other labels, int64 [n]."""
        return Given(self.images, labels, self.classes, self.codec, self.latents)


@dataclass(frozen=True)
class TrainingSet:
    """What a classifier learns from.

    Attributes:
        images: uint8 [m, h, w, c].
        labels: int64 [m].
        kind: int64 [m], a place in `KINDS`.
        source: int64 [m], the row of the given images that it is, or was made of.
        neighbour: int64 [m], the row of the image that it was moved towards or away from; -1 for none.
        confidence: float32 [m] in 0..1, how sure its label is: 1 for one that was given, and a new image has that of
            its source.
        part: int64 [m], the number of the recipe's part that made it; -1 for none.
    """

    images: Images
    labels: Rows
    kind: Rows
    source: Rows
    neighbour: Rows
    confidence: Floats
    part: Rows

    def count(self, kind: str) -> int:
        """How many images are of a kind."""
        return int((self.kind == KINDS.index(kind)).sum())


def size(given: Given, recipe: Recipe, kept: int | None = None) -> int:
    """How many images a recipe's training set has at most.

    Args:
        given: what it is made of.
        recipe: how it is made.
        kept: how many newly labelled images there are to take, where that is known.
    """
    newly = 0
    if recipe.spread is not None:
        share = 1.0 if recipe.spread.keep is None else recipe.spread.keep
        most = math.ceil(share * given.unlabelled) if kept is None else kept
        newly = most if recipe.spread.images is None else min(most, recipe.spread.images)
    return (len(given.labelled) + newly) * recipe.growth


def make(given: Given, recipe: Recipe, spread: Spread | None, progress: Progress | None = None) -> TrainingSet:
    """Make a recipe's training set. The same arguments give the same bytes.

    Args:
        given: images, labels and the recipe's VAE, if it has one.
        recipe: how the set is made.
        spread: the labels of all images, as the recipe's `spread` says; None where it has none.
        progress: told the share of the new images that are made.

    Raises:
        InvalidInput: no labelled image, or a VAE is needed and there is none.
        TooFewImages: a class has a single image, and a part needs neighbours of the same class.
    """
    base = _base(given, recipe, spread)
    if len(base.labels) == 0:
        raise InvalidInput("no image is labelled, so no training set can be made; label some images of each class")
    sets, wanted, done = [base], len(base.labels) * (recipe.growth - 1), 0

    def tell(made: int) -> None:
        if progress is not None:
            progress((done + made) / wanted)

    for number, part in enumerate(recipe.parts):
        sets.append(_children(given, base, part, number, recipe.seed + number, tell))
        done += len(sets[-1].labels)
    return _joined(sets)


def _base(given: Given, recipe: Recipe, spread: Spread | None) -> TrainingSet:
    """The labelled images and the newly labelled ones."""
    real, newly = given.labelled, np.empty(0, np.int64)
    if recipe.spread is not None and spread is not None:
        newly = np.flatnonzero(spread.kept & (given.labels == UNLABELLED) & (spread.labels != UNLABELLED))
        if recipe.spread.images is not None and recipe.spread.images < len(newly):
            newly = np.sort(np.random.default_rng(recipe.seed).permutation(newly)[: recipe.spread.images])
    rows = np.concatenate([real, newly])
    labels, confidence = given.labels[rows], np.ones(len(rows), np.float32)
    if spread is not None:
        labels[len(real) :] = spread.labels[newly]
        confidence[len(real) :] = spread.confidence[newly]
    kind = np.repeat([KINDS.index(REAL), KINDS.index(LABELLED)], [len(real), len(newly)])
    none = np.full(len(rows), -1, np.int64)
    return TrainingSet(given.images[rows], labels, kind, rows, none, confidence, none)


def _children(
    given: Given, base: TrainingSet, part: Part, number: int, seed: int, progress: Callable[[int], None]
) -> TrainingSet:
    """`part.copies` new images of every image of `base`."""
    if part.source in METHODS:
        images, neighbour = _altered(given, base, part, seed, progress)
    elif part.source == "warp":
        images, neighbour = _warped(given, base, part, seed, progress)
    else:
        images, neighbour = _copied(base, part, seed, progress)
    source = np.arange(len(base.labels)).repeat(part.copies)
    return TrainingSet(
        images,
        base.labels[source],
        np.full(len(source), KINDS.index(NEW)),
        base.source[source],
        np.where(neighbour < 0, -1, base.source[neighbour]),
        base.confidence[source],
        np.full(len(source), number),
    )


def _copied(base: TrainingSet, part: Part, seed: int, progress: Callable[[int], None]) -> tuple[Images, Rows]:
    """Plain copies, which need no neighbour: uint8 [m, h, w, c], and -1 [m]."""
    make_copies = _PLAIN[part.source]
    images = np.empty((len(base.labels) * part.copies, *base.images.shape[1:]), np.uint8)
    step = max(1, _CHUNKS * together(base.images[0].size, BATCH) // part.copies)
    for start in range(0, len(base.labels), step):
        chunk = base.images[start : start + step].astype(np.float32) / np.float32(255)
        place = slice(start * part.copies, (start + len(chunk)) * part.copies)
        # Each chunk has a stream of random numbers of its own.
        images[place] = np.rint(255 * make_copies(chunk, part.copies, (seed + 7919 * (start // step)) % 2**63))
        progress(place.stop)
    return images, np.full(len(images), -1, np.int64)


_PLAIN: dict[str, Callable[[Floats, int, int], Floats]] = {
    "affine": classical.affine,
    "elastic": classical.elastic,
}
"""What makes plain copies: images float32 [n, h, w, c], copies of each and a seed to float32 [n * copies, h, w, c]."""


@torch.inference_mode()
def _warped(
    given: Given, base: TrainingSet, part: Part, seed: int, progress: Callable[[int], None]
) -> tuple[Images, Rows]:
    """Affine copies of warped images, uint8 [m, h, w, c], and the place in `base` of each one's neighbour.

    Child j goes a random share of the way to neighbour j, by latents where there is a VAE and else by pixels; the
    neighbours are gone through again and again.
    """
    pixels = base.images.astype(np.float32) / np.float32(255)
    alike = pixels.reshape(len(pixels), -1) if given.latents is None else given.latents[base.source]
    k = _neighbours(base.labels, part)
    nearest = neighbours(alike, base.labels, min(k, part.copies))  # [n, k]
    turns = np.arange(part.copies) % nearest.shape[1]
    shares = np.random.default_rng(seed).random((len(pixels), part.copies), np.float32)
    images = np.empty((len(pixels) * part.copies, *base.images.shape[1:]), np.uint8)
    step = max(1, together(base.images[0].size, BATCH) // part.copies)
    for start in range(0, len(pixels), step):
        chunk = slice(start, start + step)
        towards = nearest[chunk]  # [rows, k]
        sources = pixels[chunk].repeat(towards.shape[1], 0)
        fields = register(torch.from_numpy(sources), torch.from_numpy(pixels[towards.ravel()]))
        fields = fields.reshape(*towards.shape, *fields.shape[1:])[:, torch.from_numpy(turns)].flatten(0, 1)
        children = pixels[chunk].repeat(part.copies, 0)
        warped = move(torch.from_numpy(children), fields, torch.from_numpy(shares[chunk].ravel())).numpy()
        place = slice(start * part.copies, start * part.copies + len(warped))
        images[place] = np.rint(255 * classical.affine(warped, 1, (seed + 7919 * (start // step)) % 2**63))
        progress(place.stop)
    return images, nearest[:, turns].ravel()


def _altered(
    given: Given, base: TrainingSet, part: Part, seed: int, progress: Callable[[int], None]
) -> tuple[Images, Rows]:
    """The VAE's images, uint8 [m, h, w, c], and the place in `base` of each one's neighbour, -1 for none."""
    codec = given.codec
    if codec is None or given.latents is None:
        raise InvalidInput(f"{part.source} is made by a VAE, and there is none; name a model")
    latents = given.latents[base.source]
    altered = alter_in_rounds(
        latents,
        np.full(len(latents), part.copies, np.int64),
        method=part.source,
        alpha=_DEFAULTS.alpha if part.alpha is None else part.alpha,
        k=_neighbours(base.labels, part),
        sigma=sigma(given.latents),
        seed=seed,
        retries=0,
        labels=base.labels,
    )
    images = np.empty((len(altered.latents), *base.images.shape[1:]), np.uint8)
    size = together(base.images[0].size, BATCH)
    for start in range(0, len(images), size):
        chunk = slice(start, start + size)
        decoded = codec.decode(altered.latents[chunk])  # [chunk, h, w, c]
        if part.decode != "reconstruction":
            rows, source = np.unique(altered.source[chunk], return_inverse=True)
            sources = base.images[rows].astype(np.float32) / np.float32(255)
            decoded = residual(sources, codec.decode(latents[rows]), decoded, source)
        images[chunk] = np.rint(255 * decoded)
        progress(min(chunk.stop, len(images)))
    return images, altered.neighbour


def _neighbours(labels: Rows, part: Part) -> int:
    """How many neighbours serve: as many as is usual, or fewer where a class is too small for as many.

    Raises:
        TooFewImages: a class has a single image.
    """
    if part.source not in WITH_NEIGHBOURS:
        return _DEFAULTS.k
    smallest = int(np.unique(labels, return_counts=True)[1].min())
    if smallest < 2:
        raise TooFewImages(
            f"a class has a single labelled image, and {part.source} needs neighbours of the same class; label at "
            "least 2 images of each class, or leave that part out"
        )
    return min(WARPED_TOWARDS if part.source == "warp" else _DEFAULTS.k, smallest - 1)


def _joined(sets: Sequence[TrainingSet]) -> TrainingSet:
    columns = ("images", "labels", "kind", "source", "neighbour", "confidence", "part")
    return TrainingSet(*(np.concatenate([getattr(one, column) for one in sets]) for column in columns))
