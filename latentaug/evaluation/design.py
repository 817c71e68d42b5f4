"""What an evaluation measures, on which images, and how much of that the images allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentaug.augment.classical import DEFAULT, Ranges
from latentaug.augment.methods import check_alpha
from latentaug.errors import InvalidInput, TooFewImages
from latentaug.evaluation import classifiers
from latentaug.evaluation import draws as labelled
from latentaug.evaluation.training_sets import COMBINED, COMPARATORS, DECODES, SPACES, Arm, control, parts_of, plan
from latentaug.options import METHODS

Labels = NDArray[np.int64]

_NEED_NEIGHBOURS = ("interpolation", "extrapolation", "smote")


@dataclass(frozen=True)
class Design:
    """What to measure.

    Attributes:
        labelled: labelled images of each draw, spread over the classes as in the training part; None for all of it.
        draws: times the labelled images are drawn, 1..100.
        seed: for draws, noise, affine copies and classifiers.
        methods: names from `methods.METHODS`.
        alpha: how far latents are altered.
        k: neighbours of each image, and new samples for each image in every arm.
        classifiers: names from `classifiers.NAMES`.
        spaces: "image", "latent" or both: whether classifiers are given pixels or latents.
        decode: "reconstruction", "residual" or both: how altered latents become images.
        comparators: "duplication" (the same images again, as many as other arms add), "affine" and "smote" (SMOTE on
            pixels), which need no VAE.
        affine: how far affine copies are shifted, rotated and scaled.
        combine: whether to measure k affine copies together with k samples of each method too, and with k of both
            interpolation and extrapolation. Where "affine" is a comparator, as many affine copies are measured beside
            them.
        tune: whether each classifier is tuned, once for each draw and space, on the labelled images without new
            samples. Every arm uses that setting, so that the baseline has had its best.

    Raises:
        InvalidInput: a value outside its range or choice.
    """

    labelled: int | None = None
    draws: int = 10
    seed: int = 0
    methods: tuple[str, ...] = METHODS
    alpha: float = 0.5
    k: int = 3
    classifiers: tuple[str, ...] = classifiers.NAMES
    spaces: tuple[str, ...] = SPACES
    decode: tuple[str, ...] = ("residual",)
    comparators: tuple[str, ...] = COMPARATORS
    affine: Ranges = DEFAULT
    combine: bool = True
    tune: bool = True

    def __post_init__(self) -> None:
        choices = {
            "methods": METHODS,
            "classifiers": classifiers.NAMES,
            "spaces": SPACES,
            "decode": DECODES,
            "comparators": COMPARATORS,
        }
        for name, allowed in choices.items():
            chosen = getattr(self, name)
            if not set(chosen) <= set(allowed) or len(set(chosen)) != len(chosen):
                raise InvalidInput(f"{name} is {list(chosen)}; name each of {', '.join(allowed)} at most once")
        if not (self.classifiers and self.spaces and self.decode):
            raise InvalidInput("name at least one classifier, one space and one decode")
        for name, low, high in (("draws", 1, 100), ("k", 1, 1000), ("seed", 0, 2**63 - 1)):
            if not low <= getattr(self, name) <= high:
                raise InvalidInput(f"{name} is {getattr(self, name)}; use {low} to {high}")
        for method in self.methods:
            check_alpha(method, self.alpha)


@dataclass(frozen=True)
class Parts:
    """A data set's training and test part.

    Attributes:
        train_images: uint8 [n, h, w, c].
        train_labels: int64 [n], numbers into `classes`.
        test_images: uint8 [m, h, w, c]; accuracy is measured on these, and they are used for nothing else.
        test_labels: int64 [m], numbers into `classes`.
        classes: label names.
    """

    train_images: NDArray[np.uint8]
    train_labels: Labels
    test_images: NDArray[np.uint8]
    test_labels: Labels
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Scope:
    """A design, as far as a data set allows it.

    Attributes:
        design: what was asked for.
        sizes: int64 [classes], labelled images of each class in each draw.
        children: new samples for each image: k, or fewer where a class is too small.
        methods: those of the design that can be measured.
        comparators: those of the design that can be measured.
        all_labelled: whether every draw has the whole training part, and so the same images.
        warnings: what was left out or lowered, and what the result cannot say.
    """

    design: Design
    sizes: Labels
    children: int
    methods: tuple[str, ...]
    comparators: tuple[str, ...]
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
        alone = smallest == 1
        return Scope(
            design,
            sizes,
            children=_children(design, smallest),
            methods=tuple(name for name in design.methods if not (alone and name in _NEED_NEIGHBOURS)),
            comparators=tuple(name for name in design.comparators if not (alone and name in _NEED_NEIGHBOURS)),
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
        return plan(self.design.spaces, latent_dims, comparators, methods, self.design.decode)


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
    if int(sizes.sum()) == len(parts.train_labels):
        yield (
            f"All {len(parts.train_labels)} training images are labelled, so every draw has the same. Intervals and "
            "tests are over the test images: they say what other images of this kind would show, not what other "
            "labelled images would have given. To learn that, set `labelled` lower."
        )
    elif design.draws == 1:
        yield "A single draw has no interval, so it proves nothing. Use 10 draws."
