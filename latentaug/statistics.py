"""Paired gains and the verdict: whether accuracy changed, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from latentaug.errors import InvalidInput

HELPS, HARMS, CANNOT_TELL = "helps", "harms", "cannot tell"


@dataclass(frozen=True)
class Gain:
    """A mean paired difference in accuracy points (percent), with its confidence interval.

    Attributes:
        mean: points; positive is better.
        low: lower end of the interval; None after a single draw, which has none.
        high: upper end.
        draws: pairs.
        smallest_detectable: half the interval's width: a smaller mean gain could not have been told from 0.
    """

    mean: float
    low: float | None
    high: float | None
    draws: int
    smallest_detectable: float | None


def paired_gain(baseline: Sequence[float], treated: Sequence[float], confidence: float = 0.95) -> Gain:
    """Compare accuracies of the same draws: the paired Student t interval of `treated - baseline`.

    Where all differences are equal the interval collapses to a point: the draws then show no chance at all, and the
    interval says nothing about other data.

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
    if not 0 < confidence < 1:
        raise InvalidInput(f"confidence is {confidence}; use a value between 0 and 1, such as 0.95")
    differences = np.asarray(treated, np.float64) - np.asarray(baseline, np.float64)  # [draws]
    mean = float(differences.mean())
    if n == 1:
        return Gain(mean, None, None, 1, None)
    quantile = float(stdtrit(n - 1, (1 + confidence) / 2))
    half_width = quantile * float(differences.std(ddof=1)) / n**0.5
    return Gain(mean, mean - half_width, mean + half_width, n, half_width)


def verdict(gain: Gain) -> str:
    """Whether the interval excludes 0: "helps", "harms", or else (also after a single draw) "cannot tell"."""
    if gain.low is not None and gain.low > 0:
        return HELPS
    if gain.high is not None and gain.high < 0:
        return HARMS
    return CANNOT_TELL
