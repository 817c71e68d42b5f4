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
        asked: of the pool, images that were labelled by hand included.
        random: the same after labelling random ones.
        asked_others: of those images alone that were labelled by hand in neither case.
        random_others: the same after labelling random ones.
        by_hand: how many were labelled.
    """

    asked: float
    random: float
    asked_others: float
    random_others: float
    by_hand: int


def drawn(truth: Rows, labelled: int, number: int) -> Rows:
    """The labels that a draw knows, int64 [n], -1 for the others."""
    rows = draws.draw(truth, draws.share(np.bincount(truth), labelled), FIRST_SEED + number)
    known = np.full(len(truth), UNLABELLED, np.int64)
    known[rows] = truth[rows]
    return known


def both(alike: Neighbourhoods, known: Rows, truth: Rows, by_hand: int, number: int) -> tuple[Account, Asking]:
    """What spreading says of its labels in a draw, and what asking is worth.

    Args:
        alike: the images, of which spreading finds out which are alike.
        known: int64 [n], the labels of the draw, -1 for the others.
        truth: int64 [n], all labels.
        by_hand: how many images are labelled by hand then, at most; as many as are asked for.
        number: of the draw.
    """
    classes = int(truth.max()) + 1
    found = spread_over(alike, known, classes, seed=number)
    asked = found.ask_next[:by_hand]
    pool = np.flatnonzero(known == UNLABELLED)
    random = np.random.default_rng([FIRST_SEED, number]).choice(pool, len(asked), replace=False)
    others = np.setdiff1d(pool, np.concatenate([asked, random]))
    right = list[float]()
    for rows in (asked, random):
        more = known.copy()
        more[rows] = truth[rows]
        answered = spread_over(alike, more, classes, seed=number).labels == truth
        right += [percent(answered[pool]), percent(answered[others])]
    asking = Asking(right[0], right[2], right[1], right[3], len(asked))
    return account(found, known, truth), asking


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
