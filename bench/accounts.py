"""One draw of spread labels: what spreading says of them and what is true, and what labels by hand are worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentaug.augment.similarity import Neighbourhoods
from latentaug.augment.spreading import Spread, spread_over
from latentaug.datasets.dataset import UNLABELLED
from latentaug.evaluation import draws

Rows = NDArray[np.int64]

FIRST_SEED = 1000
"""Of the draws."""


@dataclass(frozen=True)
class Account:
    """What spreading says of its labels in one draw, and what is true; all shares are percent.

    Attributes:
        pool: how many images have no label of their own.
        right: right labels among those that were spread.
        expected: as many as spreading expects, with the ends `low` and `high` of its 95 % interval.
        low: its lower end.
        high: its upper end.
        without: images of the pool that got no label.
        kept: images of the pool that are kept for a training set.
        right_kept: right labels among those.
        space: where neighbours were looked for.
    """

    pool: int
    right: float
    expected: float
    low: float
    high: float
    without: float
    kept: float
    right_kept: float
    space: str

    @property
    def held(self) -> bool:
        """Whether the interval holds the true share."""
        return self.low <= self.right <= self.high


@dataclass(frozen=True)
class Asking:
    """Right labels after some more images were labelled by hand, percent: those asked for, or as many random ones.

    Attributes:
        by_hand: how many were labelled.
        asked: right labels among those that were spread then.
        random: the same after labelling random ones.
        asked_all: of all images of the pool, those that are right or were labelled by hand.
        random_all: the same after labelling random ones.
    """

    by_hand: int
    asked: float
    random: float
    asked_all: float
    random_all: float


def drawn(truth: Rows, labelled: int, number: int) -> Rows:
    """The labels that a draw knows, int64 [n], -1 for the others."""
    rows = draws.draw(truth, draws.share(np.bincount(truth), labelled), FIRST_SEED + number)
    known = np.full(len(truth), UNLABELLED, np.int64)
    known[rows] = truth[rows]
    return known


def asking(alike: Neighbourhoods, known: Rows, truth: Rows, asked: Rows, seed: int) -> Asking:
    """What labels by hand are worth: those of images that were asked for, and those of as many random ones.

    Args:
        alike: the images, of which spreading finds out which are alike.
        known: int64 [n], the labels of a draw, -1 for the others.
        truth: int64 [n], all labels.
        asked: int64 [m], rows of the images asked for.
        seed: of the random ones, and of spreading.
    """
    pool = np.flatnonzero(known == UNLABELLED)
    random = np.random.default_rng([FIRST_SEED, seed]).choice(pool, len(asked), replace=False)
    spread, every = list[float](), list[float]()
    for rows in (asked, random):
        more = known.copy()
        more[rows] = truth[rows]
        answered = spread_over(alike, more, int(truth.max()) + 1, seed=seed)
        spread.append(account(answered, more, truth).right)
        every.append(percent((answered.labels == truth)[pool]))
    return Asking(len(asked), *spread, *every)


def account(found: Spread, known: Rows, truth: Rows) -> Account:
    """How right labels are, beside what spreading says of them."""
    pool = known == UNLABELLED
    new, kept_too = pool & (found.labels != UNLABELLED), pool & found.kept
    right, expected = found.labels == truth, found.expected
    return Account(
        pool=int(pool.sum()),
        right=percent(right[new]),
        expected=100 * expected.mean,
        low=100 * expected.low,
        high=100 * expected.high,
        without=percent(~new[pool]),
        kept=percent(kept_too[pool]),
        right_kept=percent(right[kept_too]),
        space=found.space,
    )


def percent(those: NDArray[np.bool_]) -> float:
    """Percent of those that are."""
    return 100 * float(those.mean()) if len(those) else 0.0
