"""Random affine copies."""

import numpy as np
import pytest
from pydantic import ValidationError

from latentaug.augment.classical import affine
from latentaug.options import AffineRanges


def _spot(height: int, width: int, y: int, x: int) -> np.ndarray:
    image = np.zeros((1, height, width, 1), np.float32)
    image[0, y : y + 2, x : x + 2] = 1
    return image


def _centre(image: np.ndarray) -> tuple[float, float]:
    """Centre of mass (y, x) in pixels, of an image [h, w, 1]."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return float((image[..., 0] * y).sum() / image.sum()), float((image[..., 0] * x).sum() / image.sum())


def test_copies_follow_their_source_and_the_seed() -> None:
    images = np.random.default_rng(0).random((3, 9, 12, 3), np.float32)
    first, again, other = (affine(images, 4, seed) for seed in (1, 1, 2))
    assert first.shape == (12, 9, 12, 3)
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    flat = np.ones((2, 9, 12, 1), np.float32) * np.float32([0.2, 0.7])[:, None, None, None]
    assert affine(flat, 2, 0).mean(axis=(1, 2, 3)) == pytest.approx([0.2, 0.2, 0.7, 0.7], abs=1e-6)


def test_a_spot_in_the_middle_moves_by_up_to_two_28ths_of_each_side() -> None:
    copies = affine(_spot(28, 56, 13, 27), 300, 0)
    centres = np.array([_centre(copy) for copy in copies]) - [13.5, 27.5]
    assert np.abs(centres).max(axis=0) == pytest.approx([2, 4], rel=0.25)
    assert centres.mean(axis=0) == pytest.approx([0, 0], abs=0.3)


def test_a_rotation_keeps_distances_in_pixels_on_images_that_are_not_square() -> None:
    copies = affine(_spot(40, 80, 19, 59), 50, 0, AffineRanges(shift=0, scale=0))  # 20 pixels right of the middle
    offsets = np.array([_centre(copy) for copy in copies]) - [19.5, 39.5]
    assert np.hypot(*offsets.T) == pytest.approx(np.full(50, 20), abs=0.2)
    assert np.abs(np.rad2deg(np.arctan2(*offsets.T))).max() == pytest.approx(10, rel=0.15)


def test_scaling_is_by_a_tenth_at_most() -> None:
    copies = affine(_spot(40, 40, 19, 29), 200, 0, AffineRanges(shift=0, rotation=0))  # 10 pixels right of the middle
    distances = np.array([_centre(copy)[1] for copy in copies]) - 19.5
    assert (distances.min(), distances.max()) == pytest.approx((9, 11), abs=0.2)


def test_no_range_at_all_leaves_images_as_they_are() -> None:
    images = np.random.default_rng(0).random((2, 9, 12, 1), np.float32)
    copies = affine(images, 2, 0, AffineRanges(shift=0, rotation=0, scale=0))
    assert np.allclose(copies, images.repeat(2, axis=0), atol=1e-5)


@pytest.mark.parametrize("wrong", [{"shift": 0.6}, {"rotation": -1}, {"scale": 1}, {"scale": float("nan")}])
def test_ranges_that_lose_the_image_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        AffineRanges(**wrong)
