"""Exact numbers of new latents: counted, evenly spread, on their segments, and turned away only for a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentaug.augment.counts import children_of_each
from latentaug.augment.exact_counts import Counted, alter_in_rounds
from latentaug.augment.methods import alter
from latentaug.augment.neighbours import Reference, neighbours
from latentaug.augment.rejection import Filters
from latentaug.errors import InvalidInput
from latentaug.options import FILTERS

ONES = np.ones(3, np.float32)


def latents(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 3), dtype=np.float32)


def made(counts: Any, *, n: int | None = None, **options: Any) -> Counted:
    settings: dict[str, Any] = {
        "method": "interpolation",
        "alpha": 0.5,
        "k": 3,
        "sigma": ONES,
        "seed": 0,
        "retries": 10,
    }
    counts = np.asarray(counts, np.int64)
    return alter_in_rounds(latents(n or len(counts)), counts, **{**settings, **options})


class TestCounts:
    def test_so_many_of_each_image(self) -> None:
        assert children_of_each(3, None, per_image=5).tolist() == [5, 5, 5]

    @given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 50))
    def test_so_many_of_each_class_spread_evenly(self, classes: list[int], wanted: int) -> None:
        labels = np.array(classes)
        counts = children_of_each(len(labels), labels, per_class=wanted)
        for label in np.unique(labels):
            assert counts[labels == label].sum() == wanted
            assert np.ptp(counts[labels == label]) <= 1

    @given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.sampled_from(["majority", "mean", "1", "25"]))
    def test_until_classes_are_of_one_size(self, classes: list[int], balance: str) -> None:
        labels = np.array(classes)
        sizes = np.unique(labels, return_counts=True)[1]
        target = {"majority": sizes.max(), "mean": round(float(sizes.mean()))}.get(balance) or int(balance)
        counts = children_of_each(len(labels), labels, balance=balance)
        for label, size in zip(*np.unique(labels, return_counts=True), strict=True):
            assert size + counts[labels == label].sum() == max(size, target)

    def test_one_way_at_a_time_and_labels_for_classes(self) -> None:
        with pytest.raises(InvalidInput, match="per_image and balance"):
            children_of_each(3, np.zeros(3, np.int64), per_image=1, balance="mean")
        with pytest.raises(InvalidInput, match="none"):
            children_of_each(3, None)
        with pytest.raises(InvalidInput, match="no labels"):
            children_of_each(3, None, per_class=5)


class TestRounds:
    @given(
        st.lists(st.integers(0, 9), min_size=5, max_size=20),
        st.sampled_from(["noise", "interpolation", "extrapolation"]),
    )
    def test_the_numbers_are_exact_and_in_order(self, counts: list[int], method: str) -> None:
        found = made(counts, method=method)
        assert np.bincount(found.source, minlength=len(counts)).tolist() == counts
        assert found.source.tolist() == sorted(found.source)
        for source, count in enumerate(counts):
            assert found.number[found.source == source].tolist() == list(range(count))

    @given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 5))
    def test_each_lies_on_the_segment_to_one_of_its_k_nearest_of_its_label(self, count: int, k: int, seed: int) -> None:
        labels = np.arange(14) % 2
        found = made([count] * 14, k=k, seed=seed, labels=labels)
        nearest = neighbours(latents(14), labels, k)
        start, end = latents(14)[found.source], latents(14)[found.neighbour]
        np.testing.assert_allclose(found.latents, start + found.share[:, None] * (end - start), atol=1e-5)
        assert ((found.share > 0) & (found.share <= 0.5)).all() or count > k
        assert all(row in nearest[source] for source, row in zip(found.source, found.neighbour, strict=True))
        uses = [np.bincount(found.neighbour[found.source == i], minlength=14)[nearest[i]] for i in range(14)]
        assert all(np.ptp(use) <= 1 for use in uses)

    def test_the_first_k_are_those_without_counts(self) -> None:
        plain = alter(latents(9), method="extrapolation", alpha=0.7, k=3, copies=3, sigma=ONES, seed=0)
        counted = made([3] * 9, method="extrapolation", alpha=0.7)
        assert (plain.latents == counted.latents).all()
        assert (plain.neighbour == counted.neighbour).all()

    def test_beyond_k_no_two_children_are_the_same(self) -> None:
        found = made([20] * 6, k=2)
        for source in range(6):
            assert len(np.unique(found.latents[found.source == source], axis=0)) == 20

    @given(
        st.lists(st.integers(0, 9), min_size=5, max_size=30),
        st.sampled_from(["noise", "interpolation", "extrapolation"]),
        st.integers(0, 2**64 - 1),
    )
    def test_a_child_depends_on_source_and_number_not_on_what_else_is_made(
        self, counts: list[int], method: str, seed: int
    ) -> None:
        some, every = made(counts, method=method, seed=seed), made([9] * len(counts), method=method, seed=seed)
        same = every.take(9 * some.source + some.number)
        assert some.latents.tobytes() == same.latents.tobytes()
        assert some.neighbour.tolist() == same.neighbour.tolist()

    @pytest.mark.parametrize("method", ["noise", "extrapolation"])
    def test_a_child_is_the_same_after_others_were_turned_away(self, method: str) -> None:
        options = {"method": method, "alpha": 1.0, "filters": ("off_manifold",)}
        found, every = made([4] * 30, **options), made([14] * 30, **{**options, "filters": ()})
        assert (found.number > 3).any()
        assert found.latents.tobytes() == every.latents[14 * found.source + found.number].tobytes()

    def test_without_wishes_there_is_nothing(self) -> None:
        assert made([0] * 5).latents.shape == (0, 3)

    @pytest.mark.parametrize("wrong", [{"retries": 101}, {"alpha": 2.0}, {"filters": ("taste",)}])
    def test_what_makes_no_sense_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput):
            made([1] * 5, **wrong)
        with pytest.raises(InvalidInput):
            made([-1] * 5)


class TestFilters:
    def test_a_label_that_its_neighbours_would_not_give_is_turned_away(self) -> None:
        real = np.array([[0.0], [0.1], [0.2], [10.0], [10.1], [10.2]], np.float32).repeat(2, axis=1)
        labels = np.array([0, 0, 0, 1, 1, 1])
        judge = Filters(("label",), real, labels, Reference(real, labels))
        children = np.array([[0.05, 0.05], [9.9, 9.9]], np.float32)
        assert judge.judge(children, np.array([0, 0])).tolist() == [-1, FILTERS.index("label")]

    def test_copies_and_outliers_are_turned_away(self) -> None:
        real = latents(200)
        judge = Filters(("copies", "off_manifold"), real, None, Reference(real, None))
        far = np.full(3, 50, np.float32)
        children = np.stack([real[0] + np.float32(1e-4), far, (real[0] + real[1]) / 2])
        verdict = judge.judge(children, np.array([0, 1, 0]))
        assert verdict[:2].tolist() == [FILTERS.index("copies"), FILTERS.index("off_manifold")]

    def test_what_is_turned_away_is_made_anew_counted_and_bounded(self) -> None:
        found = made([4] * 30, method="noise", alpha=1.0, filters=("off_manifold",), retries=20)
        assert (np.bincount(found.source, minlength=30) <= 4).all()
        assert found.refused.sum() > 0
        tried = np.bincount(found.source, minlength=30) + found.refused.sum(axis=1)
        assert (tried <= 4 + 20).all()
        judge = Filters(("off_manifold",), latents(30), None, Reference(latents(30), None))
        assert (judge.judge(found.latents, found.source) == -1).all()
        hopeless = made([4] * 30, method="noise", alpha=0.0, filters=("copies",), retries=2)
        assert len(hopeless.latents) == 0
        assert hopeless.refused.sum() == 30 * 6

    def test_a_source_s_tries_are_bounded_by_its_own_count_not_by_the_largest(self) -> None:
        found = made([1] * 20 + [500], method="noise", alpha=0.0, filters=("copies",), retries=3)
        assert found.refused.sum(axis=1).tolist() == [4] * 20 + [503]

    def test_a_filter_needs_something_to_go_by(self) -> None:
        with pytest.raises(InvalidInput, match="labels"):
            made([1] * 5, filters=("label",))
        with pytest.raises(InvalidInput, match="two real images"):
            made([1], method="noise", filters=("copies",))


def test_spacing_is_the_distance_to_the_nearest_other_row() -> None:
    real = latents(50)
    distances = np.linalg.norm(real[:, None] - real[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_allclose(Reference(real, None).spacing(), distances.min(axis=1), rtol=1e-4)
    nearest, found = Reference(real, None).nearest(real[:7] + np.float32(0.01), 4)
    exact = np.linalg.norm(real[:7, None] + np.float32(0.01) - real[None], axis=2)
    np.testing.assert_allclose(found, np.sort(exact, axis=1)[:, :4], rtol=1e-3)
    assert nearest.shape == (7, 4)
