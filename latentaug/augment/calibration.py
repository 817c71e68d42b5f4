"""How sure spread labels are, learnt from what labelled images would have been called without their own labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import beta

Floats = NDArray[np.float32]

STRENGTH = 1.0
"""Inverse variance of the calibration's two numbers around 0 and 1, as no left-out image may have been called wrong."""
ALIKE = 2.0
"""How many labelled images tell as much as one would by itself: whether they are called right hangs on one another."""
LEVEL = 0.95
_PLAIN = np.array([0.0, 1.0])  # a share is a chance
_LEAST_SLOPE = 0.05


@dataclass(frozen=True)
class Calibration:
    """The chance that a label with the share p is right: 1 / (1 + exp(-(a + b x))) of x = log(p / (1 - p)).

    Attributes:
        a: how much surer labels are than their shares say.
        b: how much surer each gets as its share grows; above 0.
    """

    a: float
    b: float

    def __call__(self, share: Floats) -> Floats:
        """Confidence, float32 0..1, of shares in 0..1."""
        confidence: Floats = expit(self.a + self.b * _log_odds(share)).astype(np.float32)
        return confidence


def calibrate(share: Floats, right: NDArray[np.bool_]) -> Calibration:
    """Fit a calibration to what left-out images were called, by maximum likelihood.

    Args:
        share: float32 [m], the share of the label that each was called by.
        right: bool [m], whether that was its own.
    """
    x = _log_odds(share)

    def cost(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = w[0] + w[1] * x
        q = expit(z) - right
        loss = np.logaddexp(0, np.where(right, -z, z)).sum() + STRENGTH / 2 * np.square(w - _PLAIN).sum()
        return float(loss), np.array([q.sum(), (q * x).sum()]) + STRENGTH * (w - _PLAIN)

    # Never the less sure the larger the share.
    a, b = minimize(cost, _PLAIN, jac=True, method="L-BFGS-B", bounds=[(None, None), (_LEAST_SLOPE, None)]).x
    return Calibration(float(a), float(b))


def interval(right: float, n: float) -> tuple[float, float]:
    """An interval of the true share that `right` of n images speak for (Clopper and Pearson's).

    The images count `ALIKE` times less than they are many. Of none, it is 0 to 1.
    """
    right, n = right / ALIKE, n / ALIKE
    tail = (1 - LEVEL) / 2
    low = float(beta.ppf(tail, right, n - right + 1)) if right > 0 else 0.0
    high = float(beta.ppf(1 - tail, right + 1, n - right)) if right < n else 1.0
    return low, high


def _log_odds(share: Floats) -> NDArray[np.float64]:
    clipped = np.clip(share.astype(np.float64), 1e-4, 1 - 1e-4)
    odds: NDArray[np.float64] = np.log(clipped) - np.log1p(-clipped)
    return odds
