"""Augmentation where some images have no label: whose neighbours, how many children, and whose vote."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from latentaug.augment.counts import children_of_each, counted
from latentaug.augment.exact_counts import alter_in_rounds
from latentaug.augment.methods import alter
from latentaug.augment.neighbours import ClassTooSmall, Reference, neighbours
from latentaug.datasets import UNLABELLED
from latentaug.errors import InvalidInput
from latentaug.options import AugmentOptions
from tests.domain.augment.sizes import largest_usable_k

Labels = NDArray[np.int64]
PARTLY = st.lists(st.integers(UNLABELLED, 2), min_size=4, max_size=40).map(lambda labels: np.array(labels, np.int64))


def _latents(n: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, 3), dtype=np.float32)


def _options(**options: Any) -> dict[str, Any]:
    given = {"method": "interpolation", "alpha": 0.5, "k": 1, "sigma": np.ones(3, np.float32), "seed": 0}
    return {**given, **options}


def _nearest(latents: NDArray[np.float32], row: int, rows: Labels) -> list[int]:
    """The rows other than this one, nearest first."""
    others = rows[rows != row]
    distances = np.linalg.norm(latents[others].astype(np.float64) - latents[row], axis=1)
    return [int(other) for other in others[np.argsort(distances, kind="stable")]]


@given(PARTLY, st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_labelled_images_have_neighbours_of_their_label_and_unlabelled_ones_of_any(labels: Labels, seed: int) -> None:
    latents, k = _latents(len(labels), seed), min(3, largest_usable_k(labels, len(labels)))
    if k == 0:
        return
    found = neighbours(latents, labels, k)
    for row, label in enumerate(labels):
        candidates = np.arange(len(labels)) if label == UNLABELLED else np.flatnonzero(labels == label)
        assert found[row].tolist() == _nearest(latents, row, candidates)[:k]


@given(PARTLY, st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_the_neighbours_of_a_data_set_follow_the_same_rule(pool_labels: Labels, seed: int) -> None:
    labels = np.array([0, UNLABELLED, 1], np.int64)
    pool, latents = _latents(len(pool_labels), seed), _latents(3, seed + 1)
    if not {0, 1} <= set(pool_labels):
        return
    found = neighbours(latents, labels, 1, Reference(pool, pool_labels))[:, 0]
    assert pool_labels[found[[0, 2]]].tolist() == [0, 1]
    assert found[1] == np.linalg.norm(pool.astype(np.float64) - latents[1], axis=1).argmin()


def test_unlabelled_images_leave_the_children_of_labelled_ones_as_they_were() -> None:
    latents, labels = _latents(40), np.repeat([0, UNLABELLED, 1, UNLABELLED], 10)
    labelled = np.flatnonzero(labels != UNLABELLED)
    among = alter(latents, labels=labels, copies=1, **_options(k=3))
    alone = alter(latents[labelled], labels=labels[labelled], copies=1, **_options(k=3))
    mine = np.isin(among.source, labelled)
    assert among.latents[mine].tobytes() == alone.latents.tobytes()
    assert (among.neighbour[mine] == labelled[alone.neighbour]).all()


@pytest.mark.parametrize("reference", [None, Reference(_latents(30, seed=1), np.arange(30) % 2)])
def test_numbers_by_class_give_the_children_that_labelled_images_have_alone(reference: Reference | None) -> None:
    latents, labels = _latents(40), np.repeat([0, UNLABELLED, 1, UNLABELLED], 10)
    labelled = np.flatnonzero(labels != UNLABELLED)
    options = _options(k=3, method="extrapolation", retries=0, reference=reference)
    counts = children_of_each(40, labels, per_class=35)
    among = alter_in_rounds(latents, counts, labels=labels, **options)
    alone = alter_in_rounds(latents[labelled], counts[labelled], labels=labels[labelled], **options)
    assert (among.source == labelled[alone.source]).all()
    assert (among.neighbour == (labelled[alone.neighbour] if reference is None else alone.neighbour)).all()
    first = among.number < 3  # later ones go a share that depends on the number of their source
    assert among.latents[first].tobytes() == alone.latents[first].tobytes()


def test_a_class_too_small_is_one_of_labelled_images() -> None:
    labels = np.array([0, 0, 0, 1, 1, *[UNLABELLED] * 5])
    assert largest_usable_k(labels, 10) == 1
    assert largest_usable_k(np.full(10, UNLABELLED), 10) == 9
    with pytest.raises(ClassTooSmall, match="class 1 has only 2 images") as caught:
        neighbours(_latents(10), labels, 2)
    assert caught.value.largest_k == 1


@given(PARTLY, st.integers(1, 20), st.sampled_from(["majority", "mean", "7"]))
def test_unlabelled_images_get_children_by_image_and_none_by_class(labels: Labels, wanted: int, balance: str) -> None:
    labelled = labels != UNLABELLED
    assert children_of_each(len(labels), labels, per_image=wanted).tolist() == [wanted] * len(labels)
    if not labelled.any():
        return
    for way in ({"per_class": wanted}, {"balance": balance}):
        counts = children_of_each(len(labels), labels, **way)  # type: ignore[arg-type]
        assert not counts[~labelled].any()
        alone = children_of_each(int(labelled.sum()), labels[labelled], **way)  # type: ignore[arg-type]
        assert counts[labelled].tolist() == alone.tolist()


@pytest.mark.parametrize("options", [{"per_class": 3}, {"balance": "mean"}])
def test_nothing_is_counted_by_class_where_no_image_has_a_label(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="the images have no labels"):
        counted(AugmentOptions(**options), 4, np.full(4, UNLABELLED))


def test_only_labelled_images_vote_on_the_label_of_a_child() -> None:
    near, far = np.zeros((6, 3), np.float32), np.full((6, 3), 9, np.float32)
    crowd = np.full((30, 3), 0.01, np.float32)  # of unlabelled images, nearer to the first class than itself
    latents = np.concatenate([near, far, crowd]) + 0.1 * _latents(42)
    labels = np.array([0] * 6 + [1] * 6 + [UNLABELLED] * 30)
    made = alter_in_rounds(latents, np.full(42, 2), labels=labels, filters=("label",), retries=0, **_options(k=2))
    assert np.bincount(made.source, minlength=42).tolist() == [2] * 42
    assert not made.refused.any()


def test_children_of_unlabelled_images_have_no_label_to_lose() -> None:
    latents, labels = _latents(40), np.array([0, 1] * 10 + [UNLABELLED] * 20)  # classes in one heap
    made = alter_in_rounds(latents, np.full(40, 8), labels=labels, filters=("label",), retries=0, **_options(k=2))
    refused = made.refused.sum(axis=1)
    assert refused[:20].any()
    assert not refused[20:].any()


@pytest.mark.parametrize("pool", [None, np.full(8, UNLABELLED)])
def test_a_vote_needs_labelled_images(pool: Labels | None) -> None:
    with pytest.raises(InvalidInput, match="there are none"):
        alter_in_rounds(
            _latents(4),
            np.ones(4, np.int64),
            labels=np.array([0, 0, 1, 1]),
            reference=Reference(_latents(8), pool),
            filters=("label",),
            retries=0,
            **_options(method="noise"),
        )
