"""What an evaluation measures, on which images, and how much of that the images allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets.dataset import Dataset
from latentaug.errors import InvalidInput, TooFewImages
from latentaug.evaluation import draws as labelled
from latentaug.evaluation.pool import TrainingImages
from latentaug.evaluation.training_sets import COMBINED, SPREAD_ARMS, Arm, control, parts_of, plan
from latentaug.options import POOL_COMPARATORS, TOWARDS_NEIGHBOURS, Design

Labels = NDArray[np.int64]

_NEED_NEIGHBOURS = (*TOWARDS_NEIGHBOURS, "smote")
FEW_TEST_IMAGES = 30
"""Test images, or fewer, of which each single one moves accuracy by more points than most gains have."""


@dataclass(frozen=True)
class Parts:
    """A data set's training and test part.

    Attributes:
        train_images: uint8 [n, h, w, c], those that have labels.
        train_labels: int64 [n], numbers into `classes`.
        test_images: uint8 [m, h, w, c]; accuracy is measured on these, and they are used for nothing else.
        test_labels: int64 [m], numbers into `classes`.
        classes: label names.
        unlabelled_images: uint8 [u, h, w, c], the other images of the training part; None where all have labels.
    """

    train_images: NDArray[np.uint8]
    train_labels: Labels
    test_images: NDArray[np.uint8]
    test_labels: Labels
    classes: tuple[str, ...]
    unlabelled_images: NDArray[np.uint8] | None = None

    @staticmethod
    def of(dataset: Dataset) -> Parts:
        """The parts of a data set that is labelled whole or in part.

        Raises:
            InvalidInput: it has no labels.
        """
        images, labels = dataset.images, dataset.labels
        if labels is None:
            raise InvalidInput(
                f"{dataset.name!r} has no labels, so no classifier can be measured; upload it with labels"
            )
        train, test, pool = dataset.labelled_train, dataset.test, dataset.pool
        unlabelled = images[pool] if len(pool) else None
        return Parts(images[train], labels[train], images[test], labels[test], dataset.classes, unlabelled)

    @cached_property
    def training(self) -> TrainingImages:
        """The whole training part without its labels: the labelled images and then the others."""
        others = self.unlabelled_images
        return TrainingImages(self.train_images if others is None else np.concatenate([self.train_images, others]))


@dataclass(frozen=True)
class Scope:
    """A design, as far as a data set allows it.

    Attributes:
        design: what was asked for.
        sizes: int64 [classes], labelled images of each class in each draw.
        children: new samples for each image: k, or fewer where a class is too small.
        methods: those of the design that can be measured.
        comparators: those of the design that can be measured.
        spread: arms that add images with spread labels; none where the design asks for none, or there is no pool.
        pool: images of the training part that are not labelled in a draw.
        all_labelled: whether every draw has all labelled images of the training part, and so the same.
        warnings: what was left out or lowered, and what the result cannot say.
    """

    design: Design
    sizes: Labels
    children: int
    methods: tuple[str, ...]
    comparators: tuple[str, ...]
    spread: tuple[str, ...]
    pool: int
    all_labelled: bool
    warnings: tuple[str, ...]

    @staticmethod
    def of(parts: Parts, design: Design) -> Scope:
        """Find out what the parts allow.

        Raises:
            TooFewImages: fewer labelled images than classes, more than there are, or no test image.
            InvalidInput: a single class.
        """
        if len(np.unique(parts.train_labels)) < 2:
            raise InvalidInput(
                "the training part has fewer than two classes; a classifier needs at least two to tell apart"
            )
        if len(parts.test_labels) == 0:
            raise TooFewImages("the test part is empty; accuracy needs at least one test image")
        sizes = labelled.share(np.bincount(parts.train_labels, minlength=len(parts.classes)), design.labelled)
        smallest = int(sizes[sizes > 0].min())
        pool = len(parts.training.images) - int(sizes.sum())
        pooled = bool(pool and design.pool_images)
        impossible = {*(_NEED_NEIGHBOURS if smallest == 1 else ()), *(() if pooled else POOL_COMPARATORS)}
        return Scope(
            design,
            sizes,
            children=_children(design, smallest),
            methods=tuple(name for name in design.methods if name not in impossible),
            comparators=tuple(name for name in design.comparators if name not in impossible),
            spread=SPREAD_ARMS if pooled else (),
            pool=pool,
            all_labelled=int(sizes.sum()) == len(parts.train_labels),
            warnings=tuple(_warnings(sizes, parts, design)),
        )

    def arms(self, latent_dims: Sequence[int]) -> list[Arm]:
        """All arms, with VAEs of these dimensions. The baseline of a space comes before what is compared with it."""
        comparators, methods = list(self.comparators), list(self.methods)
        if self.design.combine:
            combined = [name for name in COMBINED if {"affine", *self.methods} >= set(parts_of(name))]
            comparators += dict.fromkeys(map(control, combined)) if "affine" in comparators else []
            methods += combined
        return plan(self.design.spaces, latent_dims, comparators, methods, self.design.decode, self.spread)


def _children(design: Design, smallest: int) -> int:
    """New samples for each image: k, or fewer where the smallest class has fewer neighbours."""
    needed = any(name in _NEED_NEIGHBOURS for name in (*design.methods, *design.comparators))
    return min(design.k, smallest - 1) if needed and smallest > 1 else design.k


def _warnings(sizes: Labels, parts: Parts, design: Design) -> Iterator[str]:
    """What classes of these sizes do not allow, and what these draws cannot say."""
    smallest = int(sizes[sizes > 0].min())
    names = ", ".join(repr(parts.classes[i]) for i in np.flatnonzero(sizes == smallest)[:5])
    left_out = [name for name in (*design.methods, *design.comparators) if name in _NEED_NEIGHBOURS]
    children = _children(design, smallest)
    if left_out and smallest == 1:
        yield (
            f"Left out: {', '.join(left_out)}. They need neighbours of the same class, and each draw has a single "
            f"labelled image of class {names}. Label at least 2 images of each class."
        )
    elif children < design.k:
        yield (
            f"k was lowered from {design.k} to {children} in every arm, because each draw has only {smallest} labelled "
            f"images of class {names}."
        )
    if design.pool_images and len(parts.training.images) == int(sizes.sum()):
        yield (
            "Left out: all that takes images of the pool. Every training image is labelled in every draw, so there is "
            "none. Set `labelled` lower, or add unlabelled images to the data set."
        )
    tested = len(parts.test_labels)
    if tested < FEW_TEST_IMAGES:
        yield (
            f"There are only {tested} test images, so a single one of them is worth {100 / tested:.0f} points of "
            "accuracy, and even 100 % may be luck. Add labelled images to the data set."
        )
    if int(sizes.sum()) == len(parts.train_labels):
        which = "training images" if parts.unlabelled_images is None else "labelled images of the training part"
        taken = "are labelled" if parts.unlabelled_images is None else "are in every draw"
        yield (
            f"All {len(parts.train_labels)} {which} {taken}, so every draw has the same. Intervals and "
            "tests are over the test images: they say what other images of this kind would show, not what other "
            "labelled images would have given. To learn that, set `labelled` lower."
        )
    elif design.draws == 1:
        yield "A single draw has no interval, so it proves nothing. Use 10 draws."
