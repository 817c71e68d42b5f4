"""The winner of a search, measured on test images beside no new images and beside as many affine copies.

Where only some of the known labels are used, every draw takes other images as the labelled ones. Where all of them are,
every draw has the same, and chance lies in the test images.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from latentaug.augment.spreading import Spread
from latentaug.datasets.dataset import UNLABELLED
from latentaug.errors import InvalidInput, TooFewImages
from latentaug.evaluation import classifiers, draws
from latentaug.evaluation.recipes import KINDS, LABELLED, REAL, Given, TrainingSet, make
from latentaug.evaluation.search import Rows, Spreader, bounded_steps, labelled_samples
from latentaug.evaluation.training_sets import BASELINE, as_floats, flat
from latentaug.evaluation.work_units import Cell, pack
from latentaug.options import Part, Recipe

AFFINE, RECOMMENDED = "affine", "recommended"
DRAWS = 10
"""Draws on which a recommendation is measured, as time allows."""
SAME_DRAWS = 3
"""Draws that are enough where all of them have the same labelled images."""
MOST_COPIES = 1000
TEN = 10
"""Affine copies of each image beside a recommendation that adds nothing."""


@dataclass(frozen=True)
class Problem:
    """A data set as a recommendation sees it.

    Attributes:
        images: uint8 [n, h, w, c], the training part.
        labels: int64 [n], `UNLABELLED` for an image without a label.
        test_images: uint8 [m, h, w, c]; they are used for nothing but the last measurement.
        test_labels: int64 [m].
        classes: names of the classes.
        labelled: how many images count as labelled; None for all that are.
        seed: of the draws.
    """

    images: NDArray[np.uint8]
    labels: Rows
    test_images: NDArray[np.uint8]
    test_labels: Rows
    classes: tuple[str, ...]
    labelled: int | None
    seed: int

    @cached_property
    def sizes(self) -> Rows:
        """Labelled images of each class in each draw, int64 [classes].

        Raises:
            InvalidInput: fewer than two classes have labelled images.
            TooFewImages: no test image, fewer labelled images than classes, or more than there are.
        """
        known = np.bincount(self.labels[self.labels != UNLABELLED], minlength=len(self.classes))
        if (known > 0).sum() < 2:
            raise InvalidInput("fewer than two classes have labelled training images; label some of another class")
        if len(self.test_labels) == 0:
            raise TooFewImages("the test part is empty; accuracy needs at least one labelled test image")
        return draws.share(known, self.labelled)

    @property
    def fresh(self) -> bool:
        """Whether every draw has other labelled images."""
        return int(self.sizes.sum()) < int((self.labels != UNLABELLED).sum())

    def drawn(self, number: int) -> Rows:
        """The labels that a draw knows, int64 [n]; draw `DRAWS` is the search's own."""
        if not self.fresh:
            return self.labels
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        rows = draws.draw(self.labels, self.sizes, seed)
        known = np.full(len(self.labels), UNLABELLED, np.int64)
        known[rows] = self.labels[rows]
        return known


@dataclass(frozen=True)
class Spreads:
    """How right the labels are that were spread in a draw. Plain values only.

    Attributes:
        draw: from 0.
        space: where they were spread.
        kept: how many images were newly labelled.
        expected: the share of right ones that was expected, 0..1, with the ends `low` and `high` of its 95 % interval.
        low: its lower end.
        high: its upper end.
        right: the share that was right; None where the true labels are not known.
    """

    draw: int
    space: str
    kept: int
    expected: float
    low: float
    high: float
    right: float | None


@dataclass(frozen=True)
class Measurement:
    """What all draws share.

    Attributes:
        problem: the data set.
        given: its training images, with whatever labels, and the VAE.
        recipes: the recommended one for each classifier, by its name.
        spreader: spreads labels over the images of `given`.
        device: where the MLP and the CNN run.
    """

    problem: Problem
    given: Given
    recipes: Mapping[str, Recipe]
    spreader: Spreader
    device: str = "cpu"

    def draw(self, number: int, done: Sequence[Cell]) -> Iterator[Cell | Spreads]:
        """Measure what is not yet measured of a draw: every arm with every classifier, and how right spread labels are.

        Args:
            number: of the draw, from 0.
            done: cells of an earlier attempt.
        """
        known = {(cell.classifier, cell.arm) for cell in done if cell.draw == number}
        given = self.given.with_labels(self.problem.drawn(number))
        spreads: dict[str, Spread] = {}
        sets: dict[str, TrainingSet] = {}
        told = False
        for name, best in self.recipes.items():
            recipe = best.model_copy(update={"seed": (best.seed + number) % 2**63})
            recommended = self._recommended(given, recipe, spreads, sets)
            if spreads and not told:
                yield from self._told(number, recommended, next(iter(spreads.values())))
                told = True
            affine = Recipe(parts=[Part(source="affine", copies=copies_beside(recommended))], seed=recipe.seed)
            arms = {BASELINE: Recipe(), AFFINE: affine}
            if len(recommended.labels) > recommended.count(REAL):
                arms[RECOMMENDED] = recipe
            options = self._tuned(name, given)
            steps = bounded_steps(name, len(recommended.labels))
            for arm, chosen in arms.items():
                if (name, arm) not in known:
                    training = recommended if arm == RECOMMENDED else make(given, chosen, None)
                    yield self._cell(number, name, arm, training, options, steps)

    def _recommended(
        self, given: Given, recipe: Recipe, spreads: dict[str, Spread], sets: dict[str, TrainingSet]
    ) -> TrainingSet:
        """A recipe's training set, made once for all classifiers that it serves."""
        key = recipe.model_dump_json()
        if key not in sets:
            spread = None
            if recipe.spread is not None:
                how = recipe.spread.model_dump_json(exclude={"images"})
                if how not in spreads:
                    spreads[how] = self.spreader(given.labels, recipe.spread)
                spread = spreads[how]
            sets[key] = make(given, recipe, spread)
        return sets[key]

    def _told(self, number: int, training: TrainingSet, spread: Spread) -> Iterator[Spreads]:
        """How right the newly labelled images of a training set are, where there are any."""
        newly = training.kind == KINDS.index(LABELLED)
        rows = training.source[newly]
        if len(rows):
            true, expected = self.problem.labels[rows], spread.expected
            right = None if (true == UNLABELLED).any() else float((training.labels[newly] == true).mean())
            yield Spreads(number, spread.space, len(rows), expected.mean, expected.low, expected.high, right)

    def _tuned(self, name: str, given: Given) -> classifiers.Options | None:
        """Options tuned on a draw's labelled images, which every arm is used with. MLP and CNN are not, for speed."""
        if name == "mlp":
            return None
        X, y = labelled_samples(given)
        return classifiers.tune(name, X, y, given.classes, self.problem.seed % 2**32, self.device)

    def _cell(
        self,
        number: int,
        name: str,
        arm: str,
        training: TrainingSet,
        options: classifiers.Options | None,
        steps: int,
    ) -> Cell:
        started = time.perf_counter()
        seed = int(np.random.SeedSequence([self.problem.seed, number, 1]).generate_state(1)[0])
        classifier = classifiers.make(
            name, self.given.classes, seed, options, self.device, steps, self.given.images.shape[1:]
        )
        classifier.fit(flat(as_floats(training.images)), training.labels)
        right = classifier.predict(self._test_samples) == self.problem.test_labels
        return Cell(
            number,
            "image",
            None,
            arm,
            None,
            name,
            accuracy=100 * float(right.mean()),
            seconds=time.perf_counter() - started,
            options=options,
            right=pack(right),
        )

    @cached_property
    def _test_samples(self) -> NDArray[np.float32]:
        return flat(as_floats(self.problem.test_images))


def copies_beside(recommended: TrainingSet) -> int:
    """Affine copies of each labelled image that make a set as large as the recommended one."""
    real = recommended.count(REAL)
    extra = len(recommended.labels) - real
    return min(MOST_COPIES, max(1, round(extra / real))) if extra else TEN


def measured(
    measurement: Measurement, done: Sequence[Cell], has_time: Callable[[float], bool]
) -> Iterator[Cell | Spreads]:
    """Measure draw by draw, at least one, until there is no time for another.

    Args:
        measurement: what all draws share.
        done: cells of an earlier attempt.
        has_time: whether so many seconds are left.
    """
    longest = 0.0
    for number in range(DRAWS if measurement.problem.fresh else SAME_DRAWS):
        if number and not has_time(longest):
            return
        began = time.monotonic()
        yield from measurement.draw(number, done)
        longest = max(longest, time.monotonic() - began)


def comparable(cells: Sequence[Cell], fresh: bool) -> list[Cell]:
    """Cells such that chance is looked for where it lies: in the draws, or in the test images where these are the same.

    One draw alone is compared over the test images too.
    """
    if fresh and len({cell.draw for cell in cells}) > 1:
        return [replace(cell, right=None) for cell in cells]
    return list(cells)
