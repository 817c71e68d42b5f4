"""Warps: children moved along the flow that registers two images."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from latentaug.augment.warps import FURTHEST, move, register, warp

SIZES = [(8, 8), (28, 28), (8, 256), (33, 20), (96, 128), (256, 256)]


def _blob(y: float, x: float, height: int = 28, width: int = 28) -> Tensor:
    """A soft spot with its centre at (y, x), float32 [1, h, w, 1]."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.exp(-((rows - y).square() + (columns - x).square()) / 18)[None, :, :, None]


def _centre(images: Tensor) -> tuple[float, float]:
    """Centre of mass (y, x) of one image [1, h, w, 1]."""
    image = images[0, :, :, 0]
    rows, columns = torch.meshgrid(*(torch.arange(side) for side in image.shape), indexing="ij")
    return float((image * rows).sum() / image.sum()), float((image * columns).sum() / image.sum())


def _noise(n: int, height: int, width: int, channels: int, seed: int = 0) -> Tensor:
    """Images that nothing about is smooth, uint8 [n, h, w, c]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, height, width, channels), dtype=torch.uint8, generator=generator)


def _origins(velocity: Tensor, share: float, side: int) -> Tensor:
    """Where each pixel of a child comes from, x and y in 0..1 over the image, [n, side, side, 2]."""
    ramp = torch.linspace(0, 1, side)
    places = torch.stack([ramp.expand(side, side), ramp[:, None].expand(side, side)], -1)
    return move(places.repeat(len(velocity), 1, 1, 1), velocity, torch.full((len(velocity),), share))


@pytest.fixture(scope="module")
def pairs() -> tuple[Tensor, Tensor]:
    """Sixty-four digits and to each another one of its label, three times enlarged, float32 [64, 24, 24, 1]."""
    digits, labels = load_digits(return_X_y=True)
    order = np.argsort(labels, kind="stable").reshape(-1)
    first, second = order[:1792:28], order[1:1793:28]
    images = torch.tensor(digits.reshape(-1, 1, 8, 8) / 16, dtype=torch.float32)
    images = torch.nn.functional.interpolate(images, (24, 24), mode="bicubic").clamp(0, 1).permute(0, 2, 3, 1)
    return images[first], images[second]


@pytest.mark.parametrize("share", [-1.0, -0.5, 0.25, 0.5, 1.0])
def test_a_spot_moves_its_share_of_the_way_there_or_as_far_away(share: float) -> None:
    here, there = _blob(13, 12), _blob(15, 16)

    child = warp(here, there, torch.tensor([share]))

    assert _centre(child) == pytest.approx((13 + 2 * share, 12 + 4 * share), abs=0.35)


def test_a_spot_moves_as_far_on_an_image_that_is_not_square() -> None:
    child = warp(_blob(20, 60, 40, 120), _blob(20, 66, 40, 120), torch.ones(1))

    assert _centre(child) == pytest.approx((20, 66), abs=0.7)


def test_a_whole_share_resembles_the_other_image_and_half_of_one_lies_between(pairs: tuple[Tensor, Tensor]) -> None:
    images, towards = pairs
    apart = (images - towards).square().mean()

    whole, half = (warp(images, towards, torch.full((64,), share)) for share in (1.0, 0.5))

    assert (whole - towards).square().mean() < 0.4 * apart
    assert (whole - towards).square().mean() < (half - towards).square().mean() < apart
    assert (half - images).square().mean() < (whole - images).square().mean()


def test_children_are_as_sharp_as_their_sources(pairs: tuple[Tensor, Tensor]) -> None:
    images, towards = pairs

    def sharpness(images: Tensor) -> float:
        return float(images.diff(dim=1).square().mean() + images.diff(dim=2).square().mean())

    child = warp(images, towards, torch.full((64,), 0.5))

    assert sharpness(child) > 0.93 * sharpness(images)
    assert sharpness((images + towards) / 2) < 0.87 * sharpness(images)


def test_no_share_leaves_images_as_they_are() -> None:
    images, towards = _noise(4, 28, 28, 3), _noise(4, 28, 28, 3, seed=1)

    assert torch.equal(warp(images, towards, torch.zeros(4)), images)
    floats = warp(images / 255, towards / 255, torch.zeros(4))
    assert torch.allclose(floats, images / 255, atol=1e-4)


def test_equal_images_and_flat_ones_have_nothing_to_move() -> None:
    images = _noise(3, 16, 16, 1)
    flat = torch.full_like(images, 90)

    assert not register(images, images).any()
    assert register(flat, flat + 100).abs().max() < 0.01  # an eighth of a pixel
    assert torch.equal(warp(flat, images, torch.full((3,), 3.0)), flat)


def test_the_way_back_is_the_same_way(pairs: tuple[Tensor, Tensor]) -> None:
    images, towards = pairs

    assert torch.equal(register(towards, images), -register(images, towards))
    velocity = register(images, towards)
    there_and_back = move(move(images, velocity, torch.full((64,), 0.5)), velocity, torch.full((64,), -0.5))
    assert (there_and_back - images).square().mean() < 0.1 * (images - towards).square().mean()


@pytest.mark.parametrize("share", [-1e30, -1.0, 0.5, 1.0, 1e30])
@pytest.mark.parametrize("kind", ["digits", "noise"])
def test_nothing_folds(kind: str, share: float, pairs: tuple[Tensor, Tensor]) -> None:
    noise = _noise(64, 24, 24, 1), _noise(64, 24, 24, 1, seed=1)
    velocity = register(*(pairs if kind == "digits" else noise))

    x, y = _origins(velocity, share, 24).unbind(3)

    area = x.diff(dim=2)[:, 1:] * y.diff(dim=1)[:, :, 1:] - x.diff(dim=1)[:, :, 1:] * y.diff(dim=2)[:, 1:]
    inside = (torch.stack([x, y]) - 0.5).abs().amax(0) < 0.38  # what comes from beyond the border repeats it
    inside = inside[:, 1:, 1:] & inside[:, 1:, :-1] & inside[:, :-1, 1:]
    assert inside.float().mean() > 0.3
    assert area[inside].min() > 0.02 / 23**2  # of the area that there is between pixels that stay


def test_no_child_goes_further_than_it_may(pairs: tuple[Tensor, Tensor]) -> None:
    velocity = register(*pairs)

    moved = _origins(velocity, 1e30, 24) - _origins(velocity, 0, 24)

    assert 0.1 < moved.abs().max() <= FURTHEST / 2 + 0.02
    assert torch.equal(_origins(velocity, 1e30, 24), _origins(velocity, 1e20, 24))


@pytest.mark.parametrize("tile", [16, 64])
@pytest.mark.parametrize(("height", "width", "channels"), [(28, 28, 1), (9, 13, 3), (40, 24, 3)])
def test_a_row_is_the_same_to_the_last_bit_wherever_it_stands_in_its_tile(
    height: int, width: int, channels: int, tile: int
) -> None:
    images, towards = (_noise(tile, height, width, channels, seed) / 255 for seed in (0, 1))
    shares = torch.linspace(-1, 1, tile)
    expected = warp(images, towards, shares)
    for seed in range(3):
        order = torch.randperm(tile, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(warp(images[order], towards[order], shares[order]), expected[order])
    alone = torch.zeros(tile, dtype=torch.bool)
    alone[tile // 3] = True
    beside_zeros = [torch.where(alone.view(-1, *[1] * (t.ndim - 1)), t, 0) for t in (images, towards, shares)]
    assert torch.equal(warp(*beside_zeros)[alone], expected[alone])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_images_of_any_size_give_children_of_that_size(height: int, width: int, channels: int) -> None:
    images, towards = _noise(2, height, width, channels), _noise(2, height, width, channels, seed=1)
    shares = torch.tensor([-0.5, 0.5])

    levels, floats = warp(images, towards, shares), warp(images / 255, towards / 255, shares)

    assert (levels.dtype, floats.dtype) == (torch.uint8, torch.float32)
    assert levels.shape == floats.shape == images.shape
    assert floats.min() >= 0
    assert floats.max() <= 1
    assert (levels / 255 - floats).abs().max() <= 0.51 / 255
    assert not torch.equal(levels, images)


def test_no_step_waits_for_a_pixel() -> None:
    """What asks for a value, or branches on one, cannot be recorded as a CUDA graph, and fails on the meta device."""
    images = torch.empty(4, 28, 28, 3, dtype=torch.uint8, device="meta")

    child = warp(images, images, torch.empty(4, device="meta"))

    assert (child.shape, child.dtype) == (images.shape, torch.uint8)
