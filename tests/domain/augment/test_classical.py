"""Random copies: affine, elastic, and by TrivialAugment."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from latentaug.augment.classical import affine, elastic
from latentaug.augment.trivial import trivial
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


def test_shear_slants_upright_lines_and_changes_nothing_where_there_is_none() -> None:
    line = np.zeros((1, 41, 41, 1), np.float32)
    line[0, :, 20] = 1
    copies = affine(line, 200, 0, AffineRanges(shift=0, rotation=0, scale=0, shear=20))
    slants = np.rad2deg(np.arctan2(_column(copies, 30) - _column(copies, 10), 20))
    assert (slants.min(), slants.max()) == pytest.approx((-20, 20), abs=1)
    images = np.random.default_rng(0).random((2, 9, 12, 1), np.float32)
    assert np.array_equal(affine(images, 3, 1), affine(images, 3, 1, AffineRanges(shear=0)))


def test_affine_copies_without_shear_are_those_of_earlier_versions() -> None:
    images = np.random.default_rng(0).random((2, 9, 12, 1), np.float32)
    found = affine(images, 2, 7)
    assert found.sum(axis=(1, 2, 3)) == pytest.approx([53.8155, 55.637, 60.8271, 60.0965], abs=1e-4)


def _column(images: np.ndarray, row: int) -> np.ndarray:
    """Where the light of a row lies, for each image [n, h, w, 1]."""
    return (images[:, row, :, 0] * np.arange(images.shape[2])).sum(axis=1) / images[:, row, :, 0].sum(axis=1)


def test_elastic_copies_follow_their_source_and_the_seed() -> None:
    images = np.random.default_rng(0).random((3, 9, 12, 3), np.float32)
    first, again, other = (elastic(images, 4, seed) for seed in (1, 1, 2))
    assert first.shape == (12, 9, 12, 3)
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    flat = np.ones((2, 9, 12, 1), np.float32) * np.float32([0.2, 0.7])[:, None, None, None]
    assert elastic(flat, 2, 0).mean(axis=(1, 2, 3)) == pytest.approx([0.2, 0.2, 0.7, 0.7], abs=1e-6)


def test_elastic_copies_move_spots_by_a_twentieth_of_each_side_and_near_ones_together() -> None:
    y, x = np.mgrid[:28, :56]
    blob = np.exp(-(((y - 13.5) / 2) ** 2 + ((x - 27.5) / 2) ** 2) / 2).astype(np.float32)[None, ..., None]
    centres = np.array([_centre(copy) for copy in elastic(blob, 400, 0)])
    assert centres.std(axis=0) == pytest.approx([1.4, 2.8], rel=0.25)
    assert centres.mean(axis=0) == pytest.approx([13.5, 27.5], abs=0.5)
    columns = np.tile(np.arange(56, dtype=np.float32) / 55, (1, 28, 1))[..., None]  # brighter to the right
    moved = elastic(columns, 400, 0) - columns
    near, far = (np.corrcoef(moved[:, 14, 28, 0], moved[:, 14, column, 0])[0, 1] for column in (30, 50))
    assert near > 0.9
    assert abs(far) < 0.3


@pytest.mark.parametrize("channels", [1, 3])
def test_trivial_augment_follows_source_and_seed_and_treats_each_copy_on_its_own(channels: int) -> None:
    images = np.random.default_rng(0).random((3, 12, 10, channels), np.float32)
    state = torch.random.get_rng_state()
    first, again, other = (trivial(images, 20, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first.shape == (60, 12, 10, channels)
    assert first.dtype == np.float32
    assert 0 <= first.min() <= first.max() <= 1
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(np.unique(first.reshape(60, -1), axis=0)) > 40, "copies differ from one another"
    own = np.abs(first - images.repeat(20, axis=0)).mean(axis=(1, 2, 3))
    foreign = np.abs(first - np.roll(images, 1, axis=0).repeat(20, axis=0)).mean(axis=(1, 2, 3))
    assert np.median(own) < np.median(foreign), "they are copies of their sources"
