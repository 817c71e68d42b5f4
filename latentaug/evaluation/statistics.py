"""Paired gains and the verdict: whether accuracy changed, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_1samp

from latentaug.errors import InvalidInput

Right = NDArray[np.bool_]

HELPS, HARMS, CANNOT_TELL = "helps", "harms", "cannot tell"
OVER_DRAWS, OVER_IMAGES = "draws", "test images"
FLIPS = 9999
"""Random signs that `paired_gain_over_images` tries: its p is at least 1 / 10,000."""
_NO_SPREAD = 1e-9
"""Points below which differences are equal but for rounding."""
_FLIPS_AT_ONCE = 500


@dataclass(frozen=True)
class Gain:
    """A mean paired difference in accuracy points (percent), with its confidence interval.

    Attributes:
        mean: points; positive is better.
        low: lower end of the interval; None after a single draw, or where all draws gained the same.
        high: upper end; None where `low` is.
        draws: pairs of accuracies.
        p: of a paired two-sided test that the mean is 0; None after a single draw, unless it is over test images.
        over: where interval and test see chance: in the "draws" of labelled images, or, where all draws have the same
            images, in the choice of the "test images".
    """

    mean: float
    low: float | None
    high: float | None
    draws: int
    p: float | None
    over: str = OVER_DRAWS


def paired_gain(baseline: Sequence[float], treated: Sequence[float], confidence: float = 0.95) -> Gain:
    """Compare accuracies of the same draws with Student's paired t test on `treated - baseline`.

    Where all differences are equal there is nothing to judge chance by: there is no interval, and p is 1. That happens
    when all draws have the same images and the classifier has no chance in it, or with two draws by accident.

    Args:
        baseline: accuracy of each draw, percent.
        treated: accuracy of the same draws in the same order, percent.
        confidence: of the interval, between 0 and 1.

    Raises:
        InvalidInput: no pairs, sequences of different length, or a confidence outside (0, 1).
    """
    n = len(baseline)
    if n == 0 or len(treated) != n:
        raise InvalidInput(f"{n} baseline and {len(treated)} treated accuracies; give one of each for every draw")
    differences = np.asarray(treated, np.float64) - np.asarray(baseline, np.float64)  # [draws]
    low, high, p = _student(differences, confidence)
    return Gain(float(differences.mean()), low, high, n, None if n == 1 else p)


def paired_gain_over_images(baseline: Right, treated: Right, confidence: float = 0.95) -> Gain:
    """Compare classifiers that all learned from the same labelled images, so that chance lies in the test images alone.

    Each test image counts once, by the mean over the draws of what it gains. The interval is Student's paired one over
    the images. The test gives each image's gain a random sign. After one draw it is McNemar's exact test but for the
    number of signs tried, so it does not call a handful of images a gain, as Student's would.

    Args:
        baseline: which test images are classified rightly, bool [draws, images].
        treated: the same of the same draws and images.
        confidence: of the interval, between 0 and 1.

    Raises:
        InvalidInput: nothing to compare, arrays of different shape, or a confidence outside (0, 1).
    """
    if baseline.size == 0 or baseline.shape != treated.shape:
        raise InvalidInput(f"answers {list(baseline.shape)} and {list(treated.shape)}; give the same draws and images")
    gains = 100 * (treated.astype(np.float64) - baseline).mean(axis=0)  # [images], points
    low, high, _ = _student(gains, confidence)
    return Gain(float(gains.mean()), low, high, len(baseline), _sign_flip_p(gains[gains != 0]), OVER_IMAGES)


def within_reach(gain: Gain, accuracy: float) -> Gain:
    """The gain with an interval that ends where accuracy would be 0 or 100 %, for nothing lies beyond.

    Few draws give a wide interval, which knows nothing of these ends.

    Args:
        gain: of an arm.
        accuracy: of that arm, percent.
    """
    if gain.low is None or gain.high is None:
        return gain
    before = accuracy - gain.mean
    return replace(gain, low=max(gain.low, -before), high=min(gain.high, 100 - before))


def _student(differences: NDArray[np.float64], confidence: float) -> tuple[float | None, float | None, float]:
    """Both ends of Student's interval for their mean, and p; no interval where they are all equal or there is but one.

    Raises:
        InvalidInput: a confidence outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise InvalidInput(f"confidence is {confidence}; use a value between 0 and 1, such as 0.95")
    n = len(differences)
    if n == 1 or float(differences.std(ddof=1)) / n**0.5 < _NO_SPREAD:
        return None, None, 1.0
    test = ttest_1samp(differences, 0.0)
    interval = test.confidence_interval(confidence)
    return float(interval.low), float(interval.high), float(test.pvalue)


def _sign_flip_p(gains: NDArray[np.float64]) -> float:
    """How often gains of these sizes, none of them 0, add up to as much or more when chance gives the signs.

    scipy's `permutation_test` does the same, but needs several times as long, and its two-sided p is twice that of one
    side, so that other signs would change the results at rest.
    """
    rng, seen, extreme = np.random.default_rng(0), abs(float(gains.sum())), 0
    for size in [_FLIPS_AT_ONCE] * (FLIPS // _FLIPS_AT_ONCE) + [FLIPS % _FLIPS_AT_ONCE]:
        signs = rng.integers(0, 2, (size, len(gains)), np.int8) * 2 - 1  # [flips, images]
        extreme += int((np.abs(signs @ gains) >= seen - _NO_SPREAD).sum())
    return (1 + extreme) / (1 + FLIPS)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction: p values that hold for all comparisons together.

    Args:
        p_values: of the comparisons of one report; None where nothing was compared, which is not counted.

    Returns:
        In the same order, each at least as large as its own p value and at most 1.

    Source: Holm 1979.
    """
    known = [(p, i) for i, p in enumerate(p_values) if p is not None]
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, i) in enumerate(sorted(known)):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        corrected[i] = largest
    return corrected


def verdict(mean: float, p: float | None, level: float = 0.05) -> str:
    """Whether a gain is proven, and its sign: "helps", "harms", or else "cannot tell".

    Args:
        mean: of the gain.
        p: its p value, corrected where there are other comparisons; None ("cannot tell") after a single draw.
        level: a gain with a p value below it is proven.
    """
    if p is None or p >= level:
        return CANNOT_TELL
    return HELPS if mean > 0 else HARMS
