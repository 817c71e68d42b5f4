"""Random numbers of single children: of the right distribution, and each child's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latentaug.augment.randomness import normal, uniform

Rows = st.lists(st.integers(0, 200), min_size=1, max_size=40)


def everyone(children: int = 50, sources: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Number and source of all children of all sources, int64 [children * sources] each."""
    number, row = np.divmod(np.arange(children * sources), sources)
    return number, row


@pytest.mark.parametrize("dimensions", [1, 7, 20])
def test_noise_is_normal_in_each_dimension_and_of_all_children(dimensions: int) -> None:
    noise = normal(3, *everyone(), dimensions)
    assert noise.dtype == np.float32
    for column in noise.T:
        assert stats.kstest(column, "norm").pvalue > 1e-3
    assert np.abs(noise).max() > 3.5


def test_no_two_children_dimensions_or_seeds_have_to_do_with_one_another() -> None:
    number, row = everyone()
    noise, other = normal(3, number, row, 6), normal(4, number, row, 6)
    next_child, next_source = normal(3, number + 1, row, 6), normal(3, number, row + 1, 6)
    together = np.corrcoef(np.hstack([noise, other, next_child, next_source]).T)
    assert np.abs(together - np.eye(24)).max() < 0.03
    assert len(np.unique(noise)) > 0.99 * noise.size


@given(Rows, st.integers(0, 2**64 - 1), st.integers(1, 9))
def test_noise_is_the_same_whoever_else_is_asked_for(rows: list[int], seed: int, dimensions: int) -> None:
    row, number = np.array(rows), np.array(rows[::-1]) * 3
    together = normal(seed, number, row, dimensions)
    for i in range(len(rows)):
        assert normal(seed, number[i : i + 1], row[i : i + 1], dimensions).tobytes() == together[i].tobytes()


@given(Rows, st.integers(0, 2**64 - 1))
def test_an_even_number_is_the_row_s_own_of_its_number_s_stream(rows: list[int], seed: int) -> None:
    row, number = np.array(rows), np.array(rows[::-1]) % 5
    found = uniform(seed, number, row)
    for i in range(len(rows)):
        stream = np.random.default_rng([seed, int(number[i])]).random(201, dtype=np.float32)
        assert found[i] == stream[row[i]]


def test_nobody_needs_no_numbers() -> None:
    nobody = np.empty(0, np.int64)
    assert normal(0, nobody, nobody, 5).shape == (0, 5)
    assert uniform(0, nobody, nobody).shape == (0,)
