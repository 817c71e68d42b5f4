"""Label spreading over a graph, and what each labelled image would be called without its own label.

F <- ALPHA S F + (1 - ALPHA) Y (Zhou, Bousquet, Lal, Weston and Schoelkopf, 2004), with class masses (Zhu, Ghahramani
and Lafferty, 2003). It is not scikit-learn's `LabelSpreading`, which takes no graph that was made elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import reverse_cuthill_mckee

from latentaug.augment.calibration import Calibration, calibrate
from latentaug.augment.neighbours import Between, go_on
from latentaug.augment.similarity import Floats, Rows
from latentaug.datasets.dataset import UNLABELLED

ALPHA = 0.99
ROUNDS = 80
"""Rounds of spreading; 250 with an ALPHA of 0.995 name 0.03 % more of MNIST's images right."""
MASSES = 0.5
"""Power of the factors that would give all classes an equal mass. What arrives of a class grows with its labelled
images, whether or not it has as many of the others: a half was best, or nearly so, with digits drawn evenly, at random,
from classes of equal and of unequal sizes, and where labels were asked for."""
UNLIKE = 4.0
"""An image is unlike all labelled ones if what arrives at it of the class that it would be called is so many standard
deviations, of its logarithm, below what arrives at left-out labelled images. The deviation is that of the middle half,
so that a few odd ones do not matter. With 3, two thirds of the letters in MNIST's pool are refused instead of two
fifths, but so are 2 % of 1,079 digits, and an SVM with 30 labels loses 0.6 points without them."""
LEAST_DEVIATION = 0.5
"""A smaller deviation is taken for this one: a few labelled images may happen to be much alike."""
SINGLE = 2**23
"""Labelled images are left out one by one where they times all images are at most so many; else a tenth at a time."""
FOLDS = 10
_MASS_ROUNDS = 10
_NOTHING = 1e-30


class Beliefs(NamedTuple):
    """What a graph makes of the labels.

    Attributes:
        shares: float32 [n, classes], each class's share of what arrives at each image.
        reached: bool [n], the images that may be reached and are not unlike all labelled ones.
        calibration: how sure a share is.
        right: bool [m], whether each labelled image that can be judged is called right without its own label; those
            that would then be unlike all others are not among them, as nothing is said of such images.
        likelihood: mean log-likelihood of the labels of all that can be judged; higher is better.
    """

    shares: Floats
    reached: NDArray[np.bool_]
    calibration: Calibration
    right: NDArray[np.bool_]
    likelihood: float


def believe(
    s: sparse.csr_array, labels: Rows, classes: int, near: NDArray[np.bool_], seed: int, between: Between = go_on
) -> Beliefs:
    """Spread labels, and learn from the labelled images how sure each is.

    Args:
        s: float32 [n, n], of `similarity.similarity`.
        labels: int64 [n], -1 for none.
        classes: number of classes.
        near: bool [n], the images that may be reached.
        seed: decides which of many labelled images are left out together.
        between: called between rounds.
    """
    given = np.flatnonzero(labels != UNLABELLED)
    own = labels[given]
    order = reverse_cuthill_mckee(s, symmetric_mode=True)  # puts neighbours side by side in memory: half the time
    place = np.argsort(order)
    arrived, left_out = _arrivals(s[order][:, order], place[given], own, classes, seed, between)
    arrived = arrived[place]
    sizes = np.bincount(own, minlength=classes)
    judged = sizes[own] > 1  # the only one of its class cannot be called right without its own label
    factors = _mass_factors(arrived[near], sizes > 0) ** MASSES
    arrived, left_out, truth = arrived * factors, left_out[judged] * factors, own[judged]
    least = _least(left_out.max(axis=1))
    reached = near & (arrived.max(axis=1) >= least)
    reached[given] = True
    called = _shares(left_out)
    right = called.argmax(axis=1) == truth
    calibration = calibrate(called.max(axis=1), right)
    alike = left_out.max(axis=1) >= least
    return Beliefs(_shares(arrived), reached, calibration, right[alike], _likelihood(calibration, called, right))


def _arrivals(
    s: sparse.csr_array, given: Rows, own: Rows, classes: int, seed: int, between: Between
) -> tuple[Floats, Floats]:
    """What arrives at each image, [n, classes], and at each labelled one without its own label, [m, classes].

    Spreading is linear, so one column for each labelled image gives both, exactly. To leave one out weakens its class
    against all others, so what arrives from the rest of its class counts for as many as there were. Where so many
    columns would take too much memory or time, folds of every class are left out at a time.
    """
    of_class = np.eye(classes, dtype=np.float32)[own]  # [m, classes]
    n, m = s.shape[0], len(given)
    if n * m > SINGLE:
        return _spread(s, given, of_class, between), _left_out(s, given, own, of_class, seed, between)
    arrived = _spread(s, given, np.eye(m, dtype=np.float32), between)  # [n, m]
    among = arrived[given]  # [to, from]
    np.fill_diagonal(among, 0)
    left_out = among @ of_class
    sizes = of_class.sum(axis=0)[own]
    left_out[np.arange(m), own] *= sizes / np.maximum(sizes - 1, 1)
    return arrived @ of_class, left_out


def _left_out(s: sparse.csr_array, given: Rows, own: Rows, of_class: Floats, seed: int, between: Between) -> Floats:
    """What arrives at each labelled image without its own fold, [m, classes]."""
    fold = np.empty(len(own), np.int64)
    for label in np.unique(own):
        members = np.flatnonzero(own == label)
        fold[members] = (np.random.default_rng([seed, label]).permutation(len(members)) + label) % FOLDS
    answers = np.empty_like(of_class)
    for number in range(FOLDS):
        out = fold == number
        weight = of_class.sum(axis=0) / np.maximum(of_class[~out].sum(axis=0), 1)
        answers[out] = _spread(s, given[~out], of_class[~out] * weight, between)[given[out]]
    return answers


def _spread(s: sparse.csr_array, given: Rows, values: Floats, between: Between) -> Floats:
    """F [n, columns] of Y, which is `values` [m, columns] in the rows `given` and 0 elsewhere."""
    f = np.zeros((s.shape[0], values.shape[1]), np.float32)
    f[given] = values
    for _ in range(ROUNDS):
        between()
        f = np.float32(ALPHA) * (s @ f)
        f[given] += np.float32(1 - ALPHA) * values
    return f


def _least(arrived: Floats) -> float:
    """What must arrive of its class at an image that is like labelled ones, by what arrives at those [m], left out."""
    if not len(arrived):
        return 0.0
    logarithms = np.log(np.maximum(arrived, _NOTHING))
    middle = np.median(logarithms)
    deviation = 1.4826 * np.median(np.abs(logarithms - middle))  # of a normal distribution
    return float(np.exp(middle - UNLIKE * max(deviation, LEAST_DEVIATION)))


def _mass_factors(f: Floats, there: NDArray[np.bool_]) -> Floats:
    """Factors of F's columns [classes] after which the images' shares of each class that is there sum to the same."""
    factors = np.ones(f.shape[1], np.float32)
    for _ in range(_MASS_ROUNDS):
        factors *= (there / there.sum()) / np.maximum(_shares(f * factors).mean(axis=0), 1e-6)
        factors /= factors.mean()
    return factors


def _shares(f: Floats) -> Floats:
    """Rows scaled to a sum of 1; even where nothing has arrived."""
    total = f.sum(axis=1, keepdims=True)
    shares: Floats = np.where(total > _NOTHING, f / np.maximum(total, _NOTHING), np.float32(1 / f.shape[1]))
    return shares


def _likelihood(calibration: Calibration, called: Floats, right: NDArray[np.bool_]) -> float:
    """Mean log-likelihood of the labels of left-out images; minus infinity where none could be judged."""
    if not len(right):
        return -np.inf
    sure = np.clip(calibration(called.max(axis=1)).astype(np.float64), 1e-6, 1 - 1e-6)
    others = max(called.shape[1] - 1, 1)
    return float(np.where(right, np.log(sure), np.log((1 - sure) / others)).mean())
