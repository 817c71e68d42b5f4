"""Paired gains and the verdict: whether accuracy changed, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from latentaug.errors import InvalidInput

HELPS, HARMS, CANNOT_TELL = "helps", "harms", "cannot tell"
_NO_SPREAD = 1e-9
"""Points below which differences are equal but for rounding."""


@dataclass(frozen=True)
class Gain:
    """A mean paired difference in accuracy points (percent), with its confidence interval.

    Attributes:
        mean: points; positive is better.
        low: lower end of the interval; None after a single draw, or draws without spread, which have none.
        high: upper end.
        draws: pairs.
        p: of Student's paired two-sided test that the mean is 0; None after a single draw.
    """

    mean: float
    low: float | None
    high: float | None
    draws: int
    p: float | None


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
    if not 0 < confidence < 1:
        raise InvalidInput(f"confidence is {confidence}; use a value between 0 and 1, such as 0.95")
    differences = np.asarray(treated, np.float64) - np.asarray(baseline, np.float64)  # [draws]
    mean = float(differences.mean())
    if n == 1:
        return Gain(mean, None, None, 1, None)
    error = float(differences.std(ddof=1)) / n**0.5  # of the mean
    if error < _NO_SPREAD:
        return Gain(mean, None, None, n, 1.0)
    half_width = float(stdtrit(n - 1, (1 + confidence) / 2)) * error
    p = 2 * float(stdtr(n - 1, -abs(mean) / error))
    return Gain(mean, mean - half_width, mean + half_width, n, p)


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
