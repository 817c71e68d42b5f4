"""Paired gains and verdicts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtr, stdtrit
from scipy.stats import binomtest, permutation_test, ttest_rel

from latentaug.errors import InvalidInput
from latentaug.evaluation.statistics import Gain, Right, holm, paired_gain, paired_gain_over_images, verdict
from latentaug.evaluation.summary import rows
from tests.domain.conftest import EARLIER, earlier


def _verdict(gain: Gain) -> str:
    return verdict(gain.mean, gain.p)


accuracies = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=2, max_size=20)


def test_the_interval_is_students_paired_one() -> None:
    rng = np.random.default_rng(0)
    baseline, treated = rng.normal(90, 2, 10), rng.normal(91, 2, 10)
    expected = ttest_rel(treated, baseline).confidence_interval(0.9)
    gain = paired_gain(list(baseline), list(treated), 0.9)
    assert (gain.low, gain.high) == pytest.approx((expected.low, expected.high))
    assert gain.mean == pytest.approx((treated - baseline).mean())
    assert gain.p == pytest.approx(ttest_rel(treated, baseline).pvalue)


@pytest.mark.parametrize(
    ("treated", "word"),
    [
        ([91, 92.1, 93], "helps"),
        ([89, 89.9, 91], "harms"),
        ([91, 90, 92], "cannot tell"),
        ([95, 85, 99], "cannot tell"),
    ],
)
def test_a_verdict_at_5_percent_is_whether_the_95_percent_interval_excludes_zero(
    treated: list[float], word: str
) -> None:
    gain = paired_gain([90, 91, 92], treated)
    assert gain.low is not None
    assert gain.high is not None
    assert _verdict(gain) == word
    assert (gain.low > 0 or gain.high < 0) == (word != "cannot tell")


def test_one_draw_has_no_interval_and_no_verdict() -> None:
    gain = paired_gain([90], [99])
    assert (gain.mean, gain.low, gain.high, gain.draws, gain.p) == (9, None, None, 1, None)
    assert _verdict(gain) == "cannot tell"


def test_no_change_at_all_cannot_be_told_from_none() -> None:
    assert _verdict(paired_gain([90, 91], [90, 91])) == "cannot tell"


@pytest.mark.parametrize("treated", [[91, 92, 93], [90.1, 91.1, 92.1]])
def test_equal_gains_leave_nothing_to_judge_chance_by(treated: list[float]) -> None:
    gain = paired_gain([90, 91, 92], treated)
    assert (gain.low, gain.high, gain.p, gain.draws) == (None, None, 1, 3)
    assert _verdict(gain) == "cannot tell"


@given(accuracies)
def test_swapping_the_arms_swaps_the_verdict(pairs: list[tuple[float, float]]) -> None:
    baseline, treated = zip(*pairs, strict=True)
    swapped = {"helps": "harms", "harms": "helps", "cannot tell": "cannot tell"}
    assert _verdict(paired_gain(treated, baseline)) == swapped[_verdict(paired_gain(baseline, treated))]


@given(accuracies)
def test_more_confidence_widens_the_interval(pairs: list[tuple[float, float]]) -> None:
    baseline, treated = zip(*pairs, strict=True)
    narrow, wide = (paired_gain(baseline, treated, confidence) for confidence in (0.8, 0.99))
    if wide.low is None or narrow.low is None:
        assert np.ptp(np.subtract(treated, baseline)) < 1e-6, "only equal gains have no interval"
    else:
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
    wrong = sum(_verdict(paired_gain(list(a), list(b))) != "cannot tell" for a, b in zip(*pairs, strict=True))
    assert wrong / 2000 == pytest.approx(0.05, abs=0.015)


def test_holms_correction_is_the_published_one() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, None, 0.9]) == [0.8, None, 0.9]
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holms_correction_lies_between_none_and_bonferronis_and_keeps_the_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    pairs = sorted(zip(p_values, corrected, strict=True))
    assert all(p <= c <= min(1, len(p_values) * p) for p, c in pairs if c is not None)
    assert [c for _, c in pairs] == sorted(c for c in corrected if c is not None)


@pytest.mark.slow
def test_corrected_verdicts_are_rarely_wrong_about_any_of_many_arms() -> None:
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(500):
        baseline = rng.normal(90, 1, 10)
        gains = [paired_gain(list(baseline), list(rng.normal(90, 1, 10))) for _ in range(20)]
        corrected = holm([gain.p for gain in gains])
        wrong += any(verdict(gain.mean, p) != "cannot tell" for gain, p in zip(gains, corrected, strict=True))
    assert wrong / 500 <= 0.06


def _answers(wrong_before: int, wrong_after: int, n: int = 1000) -> tuple[Right, Right]:
    """One draw each: the first images wrong before, others wrong after."""
    before, after = np.ones((1, n), np.bool_), np.ones((1, n), np.bool_)
    before[0, :wrong_before] = False
    after[0, wrong_before : wrong_before + wrong_after] = False
    return before, after


@pytest.mark.parametrize(("mended", "spoilt"), [(5, 0), (9, 3), (40, 20), (20, 40), (7, 7)])
def test_over_test_images_one_draw_is_judged_as_by_mcnemars_exact_test(mended: int, spoilt: int) -> None:
    gain = paired_gain_over_images(*_answers(mended, spoilt))
    assert gain.mean == pytest.approx((mended - spoilt) / 10)
    assert gain.p == pytest.approx(binomtest(mended, mended + spoilt).pvalue, abs=0.015)
    assert (gain.draws, gain.over) == (1, "test images")


def test_over_test_images_the_interval_is_students_over_the_means_of_the_draws() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.random((4, 500)) < 0.8, rng.random((4, 500)) < 0.9
    expected = ttest_rel(after.mean(axis=0), before.mean(axis=0)).confidence_interval(0.95)
    gain = paired_gain_over_images(before, after)
    assert (gain.low, gain.high) == pytest.approx((100 * expected.low, 100 * expected.high))
    assert _verdict(gain) == "helps"


def test_repeating_a_draw_makes_nothing_surer() -> None:
    before, after = _answers(30, 15)
    once = paired_gain_over_images(before, after)
    often = paired_gain_over_images(before.repeat(10, axis=0), after.repeat(10, axis=0))
    assert (often.mean, often.low, often.high, often.p) == pytest.approx((once.mean, once.low, once.high, once.p))


def test_equal_answers_leave_nothing_to_judge_chance_by() -> None:
    gain = paired_gain_over_images(*_answers(0, 0))
    assert (gain.mean, gain.low, gain.high, gain.p) == (0, None, None, 1)


def test_over_test_images_the_verdict_is_wrong_no_more_often_than_it_says() -> None:
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(300):
        common = rng.random((1, 200)) < 0.8
        before, after = common ^ (rng.random((1, 200)) < 0.1), common ^ (rng.random((1, 200)) < 0.1)
        wrong += _verdict(paired_gain_over_images(before, after)) != "cannot tell"
    assert wrong / 300 <= 0.07


def test_answers_of_other_images_are_refused() -> None:
    with pytest.raises(InvalidInput, match="same draws and images"):
        paired_gain_over_images(np.ones((1, 3), np.bool_), np.ones((1, 4), np.bool_))


@pytest.mark.parametrize("name", EARLIER)
def test_results_at_rest_keep_their_digits(name: str) -> None:
    """They were computed with other functions than now; those of gains that are all equal had an interval then."""
    result = earlier(name)
    again = {(row.classifier, row.setup): row for row in rows(result.cells)}
    compared = 0
    for row in result.rows:
        gains = ((row.gain, again[row.classifier, row.setup].gain),)
        gains += ((row.gain_over_affine, again[row.classifier, row.setup].gain_over_affine),)
        for old, new in gains:
            if old is None or old.low is None or old.high - old.low < 1e-6:
                continue
            assert new is not None
            assert (new.mean, new.low, new.high) == pytest.approx((old.mean, old.low, old.high), rel=1e-9, abs=1e-9)
            assert new.p == pytest.approx(old.p, rel=1e-9)
            compared += 1
    assert compared or result.design.draws == 1


@settings(deadline=None)  # the first call loads a part of SciPy
@given(accuracies, st.floats(0.5, 0.999))
def test_the_interval_is_what_the_quantiles_of_students_t_give(
    pairs: list[tuple[float, float]], confidence: float
) -> None:
    baseline, treated = (np.array(side) for side in zip(*pairs, strict=True))
    gain, differences, n = paired_gain(list(baseline), list(treated), confidence), treated - baseline, len(pairs)
    if gain.low is None:
        return
    error = differences.std(ddof=1) / n**0.5
    width = stdtrit(n - 1, (1 + confidence) / 2) * error
    assert (gain.low, gain.high) == pytest.approx((gain.mean - width, gain.mean + width), rel=1e-9, abs=1e-9)
    assert gain.p == pytest.approx(2 * stdtr(n - 1, -abs(gain.mean) / error), rel=1e-9, abs=1e-12)


def test_the_sign_flips_give_scipys_p_but_for_the_signs_drawn() -> None:
    rng = np.random.default_rng(3)
    for wrong_before, wrong_after in ((12, 2), (40, 30), (200, 150)):
        before, after = _answers(wrong_before, wrong_after)
        gains = (after.astype(float) - before).ravel()
        theirs = permutation_test(
            (gains[gains != 0],), np.sum, permutation_type="samples", n_resamples=9999, batch=500, rng=rng
        )
        assert paired_gain_over_images(before, after).p == pytest.approx(theirs.pvalue, abs=0.02)
