"""Paired gains and the verdict: whether accuracy changed, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

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
        low: lower end of the interval; None after a single draw, or draws without spread, which have none.
        high: upper end.
        draws: pairs of accuracies.
        p: of a paired two-sided test that the mean is 0; None after a single draw, unless it is over test images.
        over: "draws" of other labelled images, or "test images" where all draws have the same: what interval and test
            take for the source of chance.
    """

    mean: float
    low: float | None
    high: float | None
    draws: int
    p: float | None
    over: str = OVER_DRAWS


def paired_gain(baseline: Sequence[float], treated: Sequence[float], confidence: float = 0.95) -> Gain:
    """Compare accuracies of the same draws: the paired Student t interval of `treated - baseline`.

    Where all differences are equal there is nothing to judge chance by: no interval, and p is 1. Draws of the same
    images give that for whatever has no chance in it, and two draws may by accident.

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
    _check(confidence)
    differences = np.asarray(treated, np.float64) - np.asarray(baseline, np.float64)  # [draws]
    mean = float(differences.mean())
    if n == 1:
        return Gain(mean, None, None, 1, None)
    half_width = _half_width(differences, confidence)
    if half_width is None:
        return Gain(mean, None, None, n, 1.0)
    p = 2 * float(stdtr(n - 1, -abs(mean) / (float(differences.std(ddof=1)) / n**0.5)))
    return Gain(mean, mean - half_width, mean + half_width, n, p)


def paired_gain_over_images(baseline: Right, treated: Right, confidence: float = 0.95) -> Gain:
    """Compare classifiers that have all learnt from the same labelled images, so that only other test images can tell.

    Each test image counts once, by the mean over the draws of what it gains. The interval is Student's paired one over
    the images. The test gives each image's gain random signs; after one draw it is McNemar's exact test but for the
    number of signs tried, and so does not call a handful of images a gain, as Student's would.

    Args:
        baseline: which test images are classified rightly, bool [draws, images].
        treated: the same of the same draws and images.
        confidence: of the interval, between 0 and 1.

    Raises:
        InvalidInput: nothing to compare, arrays of different shape, or a confidence outside (0, 1).
    """
    if baseline.size == 0 or baseline.shape != treated.shape:
        raise InvalidInput(f"answers {list(baseline.shape)} and {list(treated.shape)}; give the same draws and images")
    _check(confidence)
    gains = 100 * (treated.astype(np.float64) - baseline).mean(axis=0)  # [images], points
    mean, half_width = float(gains.mean()), _half_width(gains, confidence)
    low, high = (None, None) if half_width is None else (mean - half_width, mean + half_width)
    return Gain(mean, low, high, len(baseline), _sign_flip_p(gains[gains != 0]), OVER_IMAGES)


def _check(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise InvalidInput(f"confidence is {confidence}; use a value between 0 and 1, such as 0.95")


def _half_width(differences: NDArray[np.float64], confidence: float) -> float | None:
    """Of Student's interval for their mean; None where they are all equal or there is but one."""
    n = len(differences)
    error = float(differences.std(ddof=1)) / n**0.5 if n > 1 else 0.0  # of the mean
    return None if error < _NO_SPREAD else float(stdtrit(n - 1, (1 + confidence) / 2)) * error


def _sign_flip_p(gains: NDArray[np.float64]) -> float:
    """How often gains of these sizes, none of them 0, add up to as much or more when chance gives the signs."""
    rng, seen, extreme = np.random.default_rng(0), abs(float(gains.sum())), 0
    for size in [_FLIPS_AT_ONCE] * (FLIPS // _FLIPS_AT_ONCE) + [FLIPS % _FLIPS_AT_ONCE]:
        signs = rng.integers(0, 2, (size, len(gains)), np.int8) * 2 - 1  # [flips, images]
        extreme += int((np.abs(signs @ gains) >= seen - _NO_SPREAD).sum())
    return (1 + extreme) / (1 + FLIPS)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction: p values that hold for all of the comparisons together.

    Args:
        p_values: of the comparisons of one report; None where there is none, which counts as no comparison.

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
    """Whether a gain can be told from 0, and its sign: "helps", "harms", or else "cannot tell".

    Args:
        mean: of the gain.
        p: its p value, corrected where there are other comparisons; None ("cannot tell") after a single draw.
        level: p values below it are told from 0.
    """
    if p is None or p >= level:
        return CANNOT_TELL
    return HELPS if mean > 0 else HARMS
