"""Arrays as callers send them: what is taken, and what is said about those that are mistaken for a batch."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from latentaug.errors import InvalidInput, LatentaugError, TooLarge
from latentaug.imaging.arrays import largest, refuse_masks, to_uint8, told_dark
from latentaug.imaging.pixels import Limits

LIMITS = Limits(max_images=10, max_pixels=10_000, max_bytes=100_000)
BATCH = np.arange(128, dtype=np.uint8).reshape(2, 8, 8)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.asfortranarray(BATCH), BATCH),
        (np.repeat(BATCH, 2, 0)[::2], BATCH),
        ((BATCH / 255).astype(">f8"), BATCH),
        ((BATCH / 255).astype(np.float16), BATCH),
        (BATCH > 60, (BATCH > 60) * np.uint8(255)),
    ],
)
def test_the_same_images_are_the_same_however_they_lie_in_memory(array: np.ndarray, expected: np.ndarray) -> None:
    assert np.array_equal(to_uint8(array, LIMITS)[..., 0], expected)


def test_floats_in_0_to_1_are_rounded_to_256_levels() -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8)
    assert to_uint8(values, LIMITS).ravel().tolist() == np.rint(values.ravel().astype(float) * 255).tolist()


@pytest.mark.parametrize(
    ("batch", "error"),
    [
        (np.zeros((0, 8, 8), np.uint8), InvalidInput),
        (np.zeros((2, 8, 8, 2), np.uint8), InvalidInput),
        (np.full((2, 8, 8), np.nan, np.float32), InvalidInput),
        (np.zeros((11, 8, 8), np.uint8), TooLarge),
        (np.zeros((1, 200, 200), np.uint8), TooLarge),
    ],
)
def test_a_wrong_batch_is_refused(batch: np.ndarray, error: type[LatentaugError]) -> None:
    with pytest.raises(error):
        to_uint8(batch, LIMITS)


@pytest.mark.parametrize(
    ("shape", "advice"),
    [
        ((8, 8), r"images\[None\]"),
        ((20, 64), r"images\.reshape\(n, height, width\)"),
        ((8, 8, 3), r"one image in colour; add the axis of the batch, images\[None\]"),
        ((96, 128, 3), r"images\[None\]"),
        ((96, 128, 4), r"images\[None\]"),
        ((2, 1, 8, 8), r"images\.transpose\(0, 2, 3, 1\)"),
        ((28, 28, 500), r"images come first here, \[n, h, w\]; send images\.transpose\(2, 0, 1\)"),
        ((32, 32, 3, 40), r"images come first here, \[n, h, w, c\]; send images\.transpose\(3, 0, 1, 2\)"),
        ((2, 3, 8, 8), r"images\.transpose\(0, 2, 3, 1\)"),
        ((2, 8, 8, 4), r"images\[\.\.\., :3\]"),
        ((), r"\[n, h, w\]"),
        ((1, 2, 8, 8, 3), r"\[n, h, w\]"),
    ],
)
def test_a_shape_that_is_no_batch_is_told_how_to_become_one(shape: tuple[int, ...], advice: str) -> None:
    with pytest.raises(InvalidInput, match=advice):
        to_uint8(np.zeros(shape, np.uint8), LIMITS)


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        (BATCH.astype(np.float32), "go from 0 to 127; scale them to 0..1"),
        ((BATCH / 64 - 1).astype(np.float32), "go from -1 to"),
        (BATCH.astype(np.int64), r"images\.astype\('uint8'\)"),
        (BATCH.astype(np.uint16), "divide by the largest value"),
    ],
)
def test_values_in_another_range_are_told_theirs(array: np.ndarray, advice: str) -> None:
    with pytest.raises(InvalidInput, match=advice):
        to_uint8(array, LIMITS)


def test_masks_of_0_and_1_are_refused_and_dark_images_are_told_of() -> None:
    with pytest.raises(InvalidInput, match="multiply them by 255"):
        refuse_masks(largest((BATCH > 60).astype(np.uint8)))
    for fine in (BATCH, np.zeros_like(BATCH)):
        refuse_masks(largest(fine))
        assert told_dark(largest(fine)) == []
    assert "multiply the values by 15" in told_dark(largest(BATCH // 8 + 1))[0]


def test_floats_are_converted_in_little_memory_and_as_they_would_be_at_once() -> None:
    array = np.random.default_rng(0).random((3000, 40, 40), np.float32)
    limits = Limits(max_bytes=2**24)
    tracemalloc.start()
    try:
        images = to_uint8(array, limits)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert (images[..., 0] == np.rint(array.astype(np.float64) * 255)).all()
    assert peak < 8 * images.nbytes
