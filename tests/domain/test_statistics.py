"""Paired gains and verdicts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from latentaug.errors import InvalidInput
from latentaug.statistics import paired_gain, verdict

accuracies = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=2, max_size=20)


def test_the_interval_is_students_paired_one() -> None:
    rng = np.random.default_rng(0)
    baseline, treated = rng.normal(90, 2, 10), rng.normal(91, 2, 10)
    expected = ttest_rel(treated, baseline).confidence_interval(0.9)
    gain = paired_gain(list(baseline), list(treated), 0.9)
    assert (gain.low, gain.high) == pytest.approx((expected.low, expected.high))
    assert gain.mean == pytest.approx((treated - baseline).mean())
    assert gain.smallest_detectable == pytest.approx((expected.high - expected.low) / 2)


@pytest.mark.parametrize(
    ("treated", "word"),
    [
        ([91, 92.1, 93], "helps"),
        ([89, 89.9, 91], "harms"),
        ([91, 90, 92], "cannot tell"),
        ([95, 85, 99], "cannot tell"),
    ],
)
def test_the_verdict_is_whether_the_interval_excludes_zero(treated: list[float], word: str) -> None:
    assert verdict(paired_gain([90, 91, 92], treated)) == word


def test_one_draw_has_no_interval_and_no_verdict() -> None:
    gain = paired_gain([90], [99])
    assert (gain.mean, gain.low, gain.high, gain.draws, gain.smallest_detectable) == (9, None, None, 1, None)
    assert verdict(gain) == "cannot tell"


def test_no_change_at_all_cannot_be_told_from_none() -> None:
    assert verdict(paired_gain([90, 91], [90, 91])) == "cannot tell"


def test_equal_gains_collapse_the_interval() -> None:
    gain = paired_gain([90, 91, 92], [91, 92, 93])
    assert (gain.low, gain.high, gain.smallest_detectable) == (1, 1, 0)
    assert verdict(gain) == "helps"


@given(accuracies)
def test_swapping_the_arms_swaps_the_verdict(pairs: list[tuple[float, float]]) -> None:
    baseline, treated = zip(*pairs, strict=True)
    swapped = {"helps": "harms", "harms": "helps", "cannot tell": "cannot tell"}
    assert verdict(paired_gain(treated, baseline)) == swapped[verdict(paired_gain(baseline, treated))]


@given(accuracies)
def test_more_confidence_widens_the_interval(pairs: list[tuple[float, float]]) -> None:
    baseline, treated = zip(*pairs, strict=True)
    narrow, wide = (paired_gain(baseline, treated, confidence) for confidence in (0.8, 0.99))
    assert wide.low is not None
    assert narrow.low is not None
    assert wide.low <= narrow.low <= narrow.mean


def test_what_cannot_be_paired_is_refused() -> None:
    for baseline, treated in (([], []), ([1.0], [1.0, 2.0])):
        with pytest.raises(InvalidInput):
            paired_gain(baseline, treated)
    with pytest.raises(InvalidInput):
        paired_gain([1.0], [1.0], confidence=1)


def test_the_verdict_is_wrong_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    pairs = rng.normal(90, 1, (2, 2000, 10))
    wrong = sum(verdict(paired_gain(list(a), list(b))) != "cannot tell" for a, b in zip(*pairs, strict=True))
    assert wrong / 2000 == pytest.approx(0.05, abs=0.015)
