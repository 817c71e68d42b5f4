"""Which images are labelled in a draw."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from latentaug.errors import TooFewImages
from latentaug.evaluation.draws import draw, share

Counts = st.lists(st.integers(0, 200), min_size=1, max_size=30).map(np.array)


@given(Counts, st.floats(0, 1))
def test_every_class_gets_its_share_and_at_least_one(counts: np.ndarray, part: float) -> None:
    present, available = int((counts > 0).sum()), int(counts.sum())
    assume(present > 0)
    labelled = present + round(part * (available - present))
    sizes = share(counts, labelled)
    assert sizes.sum() == labelled
    assert (sizes <= counts).all()
    assert ((sizes > 0) == (counts > 0)).all()


def test_shares_are_in_proportion() -> None:
    assert share(np.array([60, 30, 10]), 10).tolist() == [6, 3, 1]
    assert share(np.array([600, 300, 1]), 10).tolist() == [6, 3, 1]
    assert share(np.array([5, 7]), None).tolist() == [5, 7]


@pytest.mark.parametrize("labelled", [0, 2, 101])
def test_what_there_is_not_enough_of_is_refused_with_the_range(labelled: int) -> None:
    with pytest.raises(TooFewImages, match="use 3 to 100"):
        share(np.array([60, 30, 10]), labelled)


def test_a_draw_has_rows_of_each_label_and_follows_its_seed() -> None:
    labels = np.random.default_rng(0).integers(0, 3, 100)
    sizes = np.array([5, 1, 2])
    rows = draw(labels, sizes, 1)
    assert np.bincount(labels[rows]).tolist() == [5, 1, 2]
    assert len(set(rows.tolist())) == 8
    assert np.array_equal(rows, draw(labels, sizes, 1))
    assert not np.array_equal(rows, draw(labels, sizes, 2))
