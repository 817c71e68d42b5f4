"""The paper's figures, from the digits."""

import numpy as np
import pytest

from latentaug.augment.neighbours import ClassTooSmall
from latentaug.evaluation.design import Parts
from latentaug.evaluation.paper_figures import generation, interpolations, reconstructions
from latentaug.imaging.pixels import Limits
from latentaug.vae.architectures import VAE
from latentaug.vae.codec import Codec
from tests.pictures import decode_image

SIDE, GAP = 8 * 7, 2
SIGMA = np.ones(8, np.float32)


@pytest.fixture(scope="module")
def codec(vae: VAE) -> Codec:
    return Codec(vae, "cpu")


def _tile(png: bytes, row: int, column: int) -> np.ndarray:
    """An image of a sheet, in its own size: uint8 [8, 8]."""
    top, left = (GAP + i * (SIDE + GAP) for i in (row, column))
    return decode_image(png, Limits())[top : top + SIDE : 7, left : left + SIDE : 7, 0]


def test_figure_2_has_the_images_on_top_and_their_reconstructions_below(parts: Parts, codec: Codec) -> None:
    images = parts.train_images[:5]
    png = reconstructions(images, codec)
    assert decode_image(png, Limits()).shape[:2] == (2 * (SIDE + GAP) + GAP, 5 * (SIDE + GAP) + GAP)
    for i, image in enumerate(images):
        assert np.array_equal(_tile(png, 0, i), image[..., 0])
        assert 0 < np.abs(_tile(png, 1, i).astype(int) - image[..., 0]).mean() < 60


def test_figure_3_goes_from_one_image_to_the_other(parts: Parts, codec: Codec) -> None:
    images = parts.train_images
    png = interpolations(np.stack([images[:2], images[2:4]]), codec, steps=3)
    assert decode_image(png, Limits()).shape[:2] == (2 * (SIDE + GAP) + GAP, 5 * (SIDE + GAP) + GAP)
    assert np.array_equal(_tile(png, 1, 0), images[2, ..., 0])
    assert np.array_equal(_tile(png, 1, 4), images[3, ..., 0])
    alone = reconstructions(images[2:4], codec)
    assert np.array_equal(_tile(png, 1, 1), _tile(alone, 1, 0))
    assert np.abs(_tile(png, 1, 3).astype(int) - _tile(alone, 1, 1)).max() <= 1


def test_figure_7_has_three_panels_of_new_images(parts: Parts, codec: Codec) -> None:
    images, labels = parts.train_images[:90], parts.train_labels[:90]
    sheet = decode_image(generation(images, labels, codec, SIGMA, alpha=0.5, k=3, seed=1), Limits())
    panel = 10 * (SIDE + GAP) + GAP
    assert sheet.shape[:2] == (9 * (SIDE + GAP) + GAP, 3 * panel + 2 * 24)
    noise, interpolation, extrapolation = (sheet[:, i * (panel + 24) :][:, :panel] for i in range(3))
    assert not np.array_equal(noise, interpolation)
    assert not np.array_equal(interpolation, extrapolation)
    with pytest.raises(ClassTooSmall):
        generation(images[:3], labels[:3], codec, SIGMA, alpha=0.5, k=3, seed=1)
