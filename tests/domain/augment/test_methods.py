"""Equations 8 to 10, and who is whose neighbour."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentaug.augment.methods import Altered, alter, move, residual, sigma
from latentaug.augment.neighbours import ClassTooSmall, Reference, name_class, neighbours
from latentaug.errors import InvalidInput, TooFewImages
from tests.domain.augment.sizes import largest_usable_k

Cases = st.tuples(
    st.integers(0, 2**32),  # seed of the latents
    st.lists(st.integers(0, 3), min_size=1, max_size=40),  # labels
    st.integers(1, 6),  # dimensions
    st.floats(0, 1),  # alpha
)


def _latents(n: int, d: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def _alter(latents: np.ndarray, **options: Any) -> Altered:
    """Alter by the options that a test is about."""
    settings: dict[str, Any] = {"method": "interpolation", "alpha": 0.5, "k": 3, "copies": 3, "seed": 0}
    return alter(latents, **{**settings, **options})


def _brute_force(latents: np.ndarray, labels: np.ndarray, row: int) -> np.ndarray:
    """Rows of the same label, nearest first, ties by row."""
    others = [i for i in range(len(latents)) if i != row and labels[i] == labels[row]]
    distances = np.linalg.norm(latents[others].astype(np.float64) - latents[row], axis=1)
    return np.array(others)[np.argsort(distances, kind="stable")]


@given(Cases)
@settings(deadline=None, max_examples=60)
def test_neighbours_are_the_nearest_of_the_same_label(case: tuple[int, list[int], int, float]) -> None:
    seed, label_list, d, _ = case
    labels, latents = np.array(label_list), _latents(len(label_list), d, seed)
    k = largest_usable_k(labels, len(labels))
    if k == 0:
        return
    found = neighbours(latents, labels, k)
    for row in range(len(latents)):
        assert found[row].tolist() == _brute_force(latents, labels, row)[:k].tolist()


@given(Cases)
@settings(deadline=None, max_examples=60)
def test_interpolated_latents_lie_between_a_source_and_its_neighbour(case: tuple[int, list[int], int, float]) -> None:
    seed, label_list, d, alpha = case
    labels, latents = np.array(label_list), _latents(len(label_list), d, seed)
    k = min(3, largest_usable_k(labels, len(labels)))
    if k == 0:
        return
    altered = _alter(latents, method="interpolation", alpha=alpha, k=k, sigma=sigma(latents), labels=labels)
    start, end = latents[altered.source], latents[altered.neighbour]
    assert np.allclose(altered.latents, (1 - alpha) * start + alpha * end, atol=1e-5)
    assert (labels[altered.source] == labels[altered.neighbour]).all()
    assert (altered.source != altered.neighbour).all()


@given(
    seed=st.integers(0, 2**32),
    sets=st.integers(1, 5),
    size=st.integers(2, 20),
    dimensions=st.sampled_from([1, 3, 20, 100]),
    method=st.sampled_from(["noise", "interpolation", "extrapolation"]),
    pool=st.sampled_from([0, 7, 300, 5000]),
    labelled=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_sets_are_altered_as_each_would_be_alone_to_the_last_bit(
    seed: int, sets: int, size: int, dimensions: int, method: str, pool: int, labelled: bool
) -> None:
    latents = _latents(sets * size, dimensions, seed)
    labels = np.random.default_rng(seed).integers(0, 2, len(latents)) if labelled and pool else None
    reference = None
    if pool:
        reference = Reference(_latents(pool, dimensions, seed + 1), np.arange(pool) % 2 if labelled else None)
    options = {"method": method, "k": 1, "copies": 2, "sigma": sigma(latents), "seed": 3, "reference": reference}
    together = _alter(latents, sets=sets, labels=labels, **options)
    for start in range(0, len(latents), size):
        part = slice(start, start + size)
        alone = _alter(latents[part], labels=None if labels is None else labels[part], **options)
        mine = (together.source >= start) & (together.source < start + size)
        assert together.latents[mine].tobytes() == alone.latents.tobytes()
        assert np.array_equal(together.source[mine] - start, alone.source)
        numbered_from = 0 if pool or method == "noise" else start
        assert np.array_equal(together.neighbour[mine] - numbered_from, alone.neighbour)


@given(Cases, st.floats(0, 10))
@settings(deadline=None, max_examples=60)
def test_extrapolated_latents_lie_on_the_ray_away(case: tuple[int, list[int], int, float], alpha: float) -> None:
    seed, label_list, d, _ = case
    labels, latents = np.array(label_list), _latents(len(label_list), d, seed)
    k = min(3, largest_usable_k(labels, len(labels)))
    if k == 0:
        return
    altered = _alter(latents, method="extrapolation", alpha=alpha, k=k, sigma=sigma(latents), labels=labels)
    away = latents[altered.source] - latents[altered.neighbour]
    assert np.allclose(altered.latents, latents[altered.source] + alpha * away, atol=1e-4)


def test_each_equation_on_numbers_of_its_own() -> None:
    z, other, spread = np.float32([[1, 2]]), np.float32([[3, 10]]), np.float32([10, 100])
    half = np.float32(0.5)
    assert move(z, np.float32([[1, -1]]), half, "noise", spread).tolist() == [[6, -48]]  # z + alpha sigma x
    assert move(z, other, half, "interpolation", spread).tolist() == [[2, 6]]
    assert move(z, other, half, "extrapolation", spread).tolist() == [[0, -2]]
    assert move(z, other, np.float32([[1]]), "interpolation", spread).tolist() == other.tolist()


def test_noise_has_mean_zero_and_alpha_sigma_for_each_dimension() -> None:
    latents = _latents(400) * np.float32([1, 3, 0])
    spread = sigma(latents)
    altered = _alter(latents, method="noise", alpha=0.5, copies=64, sigma=spread)
    noise = altered.latents - latents[altered.source]
    assert noise.mean(axis=0) == pytest.approx([0, 0, 0], abs=0.03)
    assert noise.std(axis=0) == pytest.approx(0.5 * spread, rel=0.03)
    assert (altered.neighbour == -1).all()


@pytest.mark.parametrize("method", ["noise", "interpolation", "extrapolation"])
def test_every_source_has_its_children_in_order(method: str) -> None:
    altered = _alter(_latents(5), method=method, k=2, copies=2, sigma=np.ones(3, np.float32))
    assert altered.source.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert altered.latents.shape == (10, 3)
    assert altered.latents.dtype == np.float32


def test_copies_count_for_noise_alone() -> None:
    ones = np.ones(3, np.float32)
    assert len(_alter(_latents(5), method="noise", k=2, copies=4, sigma=ones).latents) == 20
    assert len(_alter(_latents(5), method="interpolation", k=2, copies=4, sigma=ones).latents) == 10


def test_the_same_seed_gives_the_same_bytes() -> None:
    results = [
        _alter(_latents(9), method="noise", sigma=np.ones(3, np.float32), seed=seed).latents.tobytes()
        for seed in (7, 7, 8)
    ]
    assert results[0] == results[1] != results[2]


def test_alpha_zero_changes_nothing() -> None:
    for method in ("noise", "interpolation", "extrapolation"):
        altered = _alter(_latents(9), method=method, alpha=0, sigma=np.ones(3, np.float32))
        assert np.array_equal(altered.latents, _latents(9)[altered.source])


def test_ties_go_to_the_first_row_even_among_many_duplicates() -> None:
    latents = np.repeat(_latents(2, d=37), 20, axis=0)
    found = neighbours(latents, None, 3)
    assert found[0].tolist() == [1, 2, 3]
    assert found[1].tolist() == [0, 2, 3]
    assert found[39].tolist() == [20, 21, 22]


def test_the_neighbour_addresses_the_reference_set() -> None:
    latents, reference = _latents(6), _latents(50, seed=1)
    labels, reference_labels = np.array([0, 1, 0, 1, 2, 2]), np.arange(50) % 3
    altered = _alter(
        latents,
        method="interpolation",
        alpha=1,
        k=2,
        sigma=np.ones(3, np.float32),
        labels=labels,
        reference=Reference(reference, reference_labels),
    )
    assert np.allclose(altered.latents, reference[altered.neighbour], atol=1e-6)
    assert (reference_labels[altered.neighbour] == labels[altered.source]).all()
    for i, row in enumerate(altered.neighbour[::2]):
        distances = np.linalg.norm(reference - latents[i], axis=1)
        distances[reference_labels != labels[i]] = np.inf
        assert row == distances.argmin()


def test_a_source_that_is_in_the_reference_set_is_not_its_own_neighbour() -> None:
    reference = _latents(30, d=20)
    nearly = reference[:5] * np.float32(1 + 1e-7)  # as another batch's rounding may have it
    assert not (neighbours(nearly, None, 3, Reference(reference, None)) == np.arange(5)[:, None]).any()
    assert np.array_equal(neighbours(nearly, None, 3, Reference(reference, None)), neighbours(reference, None, 3)[:5])


def test_a_reference_gives_the_same_answer_again_with_labels_and_without() -> None:
    reference = Reference(_latents(50, seed=1), np.arange(50) % 3)
    for labels in (None, np.arange(6) % 3, None):
        fresh = Reference(reference.latents, reference.labels)
        assert np.array_equal(neighbours(_latents(6), labels, 3, reference), neighbours(_latents(6), labels, 3, fresh))


def test_labels_are_ignored_where_the_reference_set_has_none() -> None:
    assert neighbours(_latents(2), np.array([0, 1]), 2, Reference(_latents(3, seed=1), None)).shape == (2, 2)


def test_a_large_set_is_searched_in_chunks_with_the_same_result() -> None:
    latents = _latents(4000, d=2)
    found = neighbours(latents, None, 2)
    rows = [0, 64, 65, 66, 3999]  # about a chunk's border
    for row in rows:
        assert found[row].tolist() == _brute_force(latents, np.zeros(4000), row)[:2].tolist()


@pytest.mark.parametrize("method", ["interpolation", "extrapolation"])
def test_a_class_that_is_too_small_is_named_with_the_largest_k(method: str) -> None:
    labels = np.array([4, 4, 4, 4, 9, 9, 9])
    with pytest.raises(TooFewImages, match=r"class 9 has only 3 images .* k up to 2") as caught:
        _alter(_latents(7), method=method, k=3, sigma=np.ones(3, np.float32), labels=labels)
    assert isinstance(caught.value, ClassTooSmall)
    assert caught.value.largest_k == 2 == largest_usable_k(labels, 7)


def test_whoever_knows_the_classes_names_says_the_same_with_them() -> None:
    with pytest.raises(ClassTooSmall) as caught:
        neighbours(_latents(7), np.array([0, 0, 0, 0, 1, 1, 1]), 3)
    elsewhere = TooFewImages(caught.value.detail, fields=caught.value.fields)  # as another process is told of it
    named = name_class(elsewhere, ["cat", "class 0"])
    assert named.detail == caught.value.detail.replace("class 1", "class 'class 0'")
    assert named.fields == []


def test_an_error_that_names_no_class_stays_as_it_is() -> None:
    with pytest.raises(ClassTooSmall) as caught:
        neighbours(_latents(2), None, 3)
    assert name_class(caught.value, ["cat"]) is caught.value


def test_one_image_has_no_neighbour_but_takes_noise() -> None:
    ones = np.ones(3, np.float32)
    with pytest.raises(ClassTooSmall, match=r"only 1 image to find 1 neighbour among; .* use noise") as caught:
        _alter(_latents(1), method="interpolation", k=1, sigma=ones)
    assert caught.value.largest_k == 0
    assert len(_alter(_latents(1), method="noise", copies=2, sigma=ones).latents) == 2


def test_a_reference_set_of_nothing_but_the_source_has_no_neighbour() -> None:
    latents = _latents(1)
    with pytest.raises(ClassTooSmall, match="k up to 1"):
        neighbours(latents, None, 2, Reference(np.concatenate([latents, latents, _latents(1, seed=1)]), None))


def test_a_label_that_the_reference_set_lacks_is_named() -> None:
    with pytest.raises(ClassTooSmall, match="class 7 has only 0"):
        neighbours(_latents(1), np.array([7]), 1, Reference(_latents(5), np.zeros(5, np.int64)))


def test_the_largest_usable_k_is_the_smallest_class_less_one() -> None:
    assert largest_usable_k(None, 10) == 9
    assert largest_usable_k(None, 0) == 0
    assert largest_usable_k(np.array([0, 0, 0, 1, 1]), 5) == 1


def test_sigma_is_the_standard_deviation_of_each_dimension() -> None:
    latents = np.float32([[0, 5, -1], [2, 5, 1]])
    assert sigma(latents).tolist() == [1, 0, 1]
    assert sigma(latents).dtype == np.float32


@pytest.mark.parametrize(
    "arguments",
    [
        {"method": "rotation"},
        {"alpha": -0.1},
        {"alpha": float("nan")},
        {"alpha": float("inf")},
        {"alpha": 1.1},
        {"method": "extrapolation", "alpha": 10.1},
        {"k": 0},
        {"method": "noise", "copies": 0},
        {"method": "noise", "copies": 10**9},
        {"seed": -1},
        {"sigma": np.ones(4, np.float32)},
        {"labels": np.zeros(4, np.int64)},
        {"reference": Reference(np.zeros((5, 4), np.float32), None)},
        {"latents": np.full((5, 3), np.nan, np.float32)},
        {"latents": np.full((5, 3), 1e30, np.float32)},
        {"latents": np.zeros((0, 3), np.float32)},
        {"latents": np.zeros(3, np.float32)},
    ],
)
def test_an_argument_out_of_range_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        _alter(**{"latents": _latents(5), "k": 2, "sigma": np.ones(3, np.float32), **arguments})


def test_the_residual_keeps_what_the_reconstruction_loses() -> None:
    images = np.float32([[0.2, 0.9], [0.5, 0.5]])
    reconstruction = np.float32([[0.1, 0.8], [0.5, 0.5]])
    altered = np.float32([[0.1, 0.8], [0.0, 1.0], [1.0, 0.0]])
    result = residual(images, reconstruction, altered, np.array([0, 0, 1]))
    assert result == pytest.approx(np.float32([[0.2, 0.9], [0.1, 1.0], [1.0, 0.0]]), abs=1e-6)
