"""The protocol of section 4: does a classifier trained with the new samples classify unseen images better?

Every arm of a draw starts from the same few labelled images, and is measured on the same test images. The VAEs come
trained, without labels, on the training part; tuning and neighbours see nothing but the labelled images of the draw.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
import sklearn
import torch
from numpy.typing import NDArray

from latentaug import classifiers, labelled, summary
from latentaug.arms import COMPARATORS, DECODES, SPACES, Arm, Draw, Projection, flat, plan, unit
from latentaug.errors import InvalidInput, TooFewImages
from latentaug.generation import METHODS, check_alpha
from latentaug.vae import VAE

Labels = NDArray[np.int64]
Key = tuple[int, Arm, str]


@dataclass(frozen=True)
class Protocol:
    """What to measure.

    Attributes:
        labelled: labelled images of each draw, spread over the classes as in the training part; None for all of it.
        draws: times the labelled images are drawn, 1..100.
        seed: of draws, noise, affine copies and classifiers.
        methods: of `generation.METHODS`.
        alpha: how far latents are altered.
        k: neighbours of each image, and new samples of each in every arm.
        classifiers: of `classifiers.NAMES`.
        spaces: "image", "latent" or both: what the classifiers are given.
        decode: "reconstruction", "residual" or both: how altered latents become images.
        comparators: "duplication" (the same images again, as many as other arms add) and "affine".
        tune: whether each classifier is tuned, once for each draw and space on the labelled images without new
            samples. All arms use what that gave, so that the baseline has had the best of it.

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
        test_images: uint8 [m, h, w, c]; accuracy is measured on these and they serve nothing else.
        test_labels: int64 [m].
        classes: label names.
    """

    train_images: NDArray[np.uint8]
    train_labels: Labels
    test_images: NDArray[np.uint8]
    test_labels: Labels
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One classifier trained once and measured on the test part.

    Attributes:
        draw: from 0.
        space: "image" or "latent".
        latent_dim: of the VAE; None where none took part.
        arm: "none", a comparator or a method.
        decode: how latents became images; None where none did.
        classifier: its name.
        accuracy: percent of the test images.
        seconds: fitting and predicting.
        options: the classifier's, as tuned; None for the paper's.
    """

    draw: int
    space: str
    latent_dim: int | None
    arm: str
    decode: str | None
    classifier: str
    accuracy: float
    seconds: float
    options: classifiers.Options | None = None

    @property
    def key(self) -> Key:
        """What tells one cell from another."""
        return self.draw, Arm(self.space, self.latent_dim, self.arm, self.decode), self.classifier


@dataclass(frozen=True)
class Evaluation:
    """All cells of a protocol and how they came about."""

    protocol: Protocol
    sizes: dict[str, int]
    cells: list[Cell]
    warnings: list[str]
    device: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: what was measured, the rows and verdicts that follow from it, and every cell."""
        cells = [asdict(cell) for cell in self.cells]
        rows, best = summary.rows(cells), summary.best(cells)
        return {
            "protocol": {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self.protocol).items()},
            "sizes": self.sizes,
            "verdicts": summary.verdicts(rows, best),
            "best": best,
            "rows": rows,
            "cells": cells,
            "warnings": self.warnings,
            "vae_training": "the images of the training part, without their labels; no test image",
            "transductive": False,
            "device": self.device,
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "sklearn": sklearn.__version__,
                "svm": classifiers.SVM_LIBRARY,
                "numpy": np.__version__,
            },
        }


def evaluate(
    parts: Parts,
    projections: Mapping[int, VAE],
    protocol: Protocol,
    *,
    on_cell: Callable[[int, int, Cell], None] | None = None,
    done: Sequence[Cell] = (),
    device: str = "cpu",
) -> Evaluation:
    """Measure every arm: draw x (space, latent_dim, method, decode) x classifier. The same seed gives the same result.

    Args:
        parts: the data set.
        projections: VAEs by latent dimension, trained on `parts.train_images` without labels.
        protocol: what to measure.
        on_cell: called with (cells done, cells in all, the cell) after each; may raise to stop.
        done: cells of an earlier run with the same arguments, which are not measured again.
        device: where VAEs and MLPs run.

    Raises:
        TooFewImages: fewer labelled images than classes, more than there are, or no test image.
        InvalidInput: a single class, or no VAE.
    """
    _check(parts, projections)
    sizes = labelled.share(np.bincount(parts.train_labels, minlength=len(parts.classes)), protocol.labelled)
    children, methods, warnings = _possible(sizes, parts, protocol)
    arms = plan(protocol.spaces, list(projections), protocol.comparators, methods, protocol.decode)
    projected = {
        dim: Projection.of(vae, parts.train_images, parts.test_images, device) for dim, vae in projections.items()
    }
    setting = _Setting(parts, protocol, sizes, children, arms, projected, device)
    keys = list(product(range(protocol.draws), arms, protocol.classifiers))
    cells = {cell.key: cell for cell in done if cell.key in set(keys)}
    for number in range(protocol.draws):
        for cell in _measure(setting, number, cells):
            cells[cell.key] = cell
            if on_cell is not None:
                on_cell(len(cells), len(keys), cell)
    counted = {
        "train": len(parts.train_labels),
        "test": len(parts.test_labels),
        "classes": int((sizes > 0).sum()),
        "labelled": int(sizes.sum()),
        "children": children,
    }
    return Evaluation(protocol, counted, [cells[key] for key in keys], warnings, device)


@dataclass(frozen=True)
class _Setting:
    """What all draws share."""

    parts: Parts
    protocol: Protocol
    sizes: Labels
    children: int
    arms: list[Arm]
    projected: Mapping[int, Projection]
    device: str


def _measure(setting: _Setting, number: int, cells: Mapping[Key, Cell]) -> Iterator[Cell]:
    """The cells of one draw that are not among `cells`."""
    parts, protocol, classes = setting.parts, setting.protocol, len(setting.parts.classes)
    seeds = np.random.SeedSequence([protocol.seed, number]).generate_state(3)
    rows_seed, sample_seed, seed = (int(s) for s in seeds)
    rows = labelled.draw(parts.train_labels, setting.sizes, rows_seed)
    labels, images = parts.train_labels[rows], unit(parts.train_images[rows])
    draw = Draw(rows, images, labels, setting.children, protocol.alpha, sample_seed)
    tuned: dict[tuple[Arm, str], classifiers.Options | None] = {}
    for arm in setting.arms:
        names = [name for name in protocol.classifiers if (number, arm, name) not in cells]
        if not names:
            continue
        projection = None if arm.latent_dim is None else setting.projected[arm.latent_dim]
        X, y = draw.samples(arm, projection)
        X_test = flat(unit(parts.test_images)) if arm.space == "image" or projection is None else projection.test
        for name in names:
            if protocol.tune and (arm.baseline, name) not in tuned:
                own = draw.own(arm, projection)
                tuned[arm.baseline, name] = classifiers.tune(name, own, labels, classes, seed, setting.device)
            options = tuned.get((arm.baseline, name))
            started = time.perf_counter()
            classifier = classifiers.make(name, classes, seed, options, setting.device)
            classifier.fit(X, y)
            accuracy = 100 * float((classifier.predict(X_test) == parts.test_labels).mean())
            seconds = time.perf_counter() - started
            yield Cell(number, arm.space, arm.latent_dim, arm.name, arm.decode, name, accuracy, seconds, options)


def _check(parts: Parts, projections: Mapping[int, VAE]) -> None:
    if len(np.unique(parts.train_labels)) < 2:
        raise InvalidInput("the training part has fewer than two classes; a classifier needs something to tell apart")
    if len(parts.test_labels) == 0:
        raise TooFewImages("the test part is empty; accuracy needs at least one test image")
    if not projections:
        raise InvalidInput("no VAE to evaluate; give at least one latent dimension")
    for dim, vae in projections.items():
        a = vae.architecture
        if (a.height, a.width, a.channels, a.latent_dim) != (*parts.train_images.shape[1:], dim):
            raise InvalidInput(f"the VAE of latent_dim {dim} is one of {a}, not of this data set; train it on this one")


def _possible(sizes: Labels, parts: Parts, protocol: Protocol) -> tuple[int, list[str], list[str]]:
    """New samples for each image, methods that can be measured with classes of these sizes, and warnings."""
    available = len(parts.train_labels)
    children, methods, warnings = protocol.k, list(protocol.methods), []
    smallest = int(sizes[sizes > 0].min())
    names = ", ".join(repr(parts.classes[i]) for i in np.flatnonzero(sizes == smallest)[:5])
    if set(methods) - {"noise"} and smallest == 1:
        methods = [method for method in methods if method == "noise"]
        warnings.append(
            f"Interpolation and extrapolation were left out: of class {names} a draw has a single labelled image, "
            "which has no neighbour. Label at least 2 images of each class."
        )
    elif set(methods) - {"noise"} and smallest <= children:
        children = smallest - 1
        warnings.append(
            f"k was lowered from {protocol.k} to {children} in every arm: of class {names} a draw has only {smallest} "
            "labelled images."
        )
    if int(sizes.sum()) == available:
        warnings.append(
            f"All {available} training images are labelled, so every draw has the same: intervals show the chance in "
            "noise, affine copies and the MLP alone, and are too narrow. Set `labelled` lower to learn more."
        )
    if protocol.draws == 1:
        warnings.append("A single draw has no interval: nothing can be told from it. Use 10 draws.")
    return children, methods, warnings
