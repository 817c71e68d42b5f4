"""Warps: each image moved a share of the way towards another one, or away from it, by a smooth field.

Two images are registered: we look for the velocity field under whose flow the first becomes the second. A child is its
source carried along that flow for a share of the time: 0 is the source, 1 resembles the other image, and a negative
share goes the other way. Nothing is decoded, so a child is as sharp as its source.

The registration is symmetric and goes from coarse to fine (Lucas and Kanade 1981): both images are carried half-way
towards each other, and each round adds the displacement that would explain what still differs, by least squares over a
Gaussian window around each point, and smooths the field. The flow is followed by scaling and squaring (Arsigny et al.
2006): displacements that are added up would fold where their composition does not.

Every row is computed by itself, with the same arithmetic, in a fixed number of rounds, so that tiles of rows can be
recorded on a GPU. Images are [n, h, w, c]. Inside, they are planes [n, c, h, w], and fields [n, 2, h, w] hold x and y
in `grid_sample`'s coordinates, in which each side of an image is 2 long.

That images of a class show how its other images may be deformed is an idea of Hauberg et al. 2016.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

GRID = 32
"""Most points on a side of the grid on which images are registered; larger images are reduced to it."""
WINDOW = 1 / 7
"""Standard deviation of the window, as a share of each side: 4 pixels of MNIST's 28. Wider follows less detail."""
SMOOTHNESS = 1 / 14
"""Standard deviation of the Gaussian that a field is smoothed with after each round, as a share of each side."""
FURTHEST = 0.6
"""The furthest that a child goes, in halves of a side, whatever its share."""
STEEPEST = 1.5
"""The most that a child's flow may differ between two points, as a share of their distance. A line becomes at most
e^1.5 times longer or shorter; beyond that, no grid of so few points could follow the flow, and it would fold."""

_BLUR = 0.7  # pixels of the grid; without it there are no slopes between a stroke and its ground
_ROUNDS = (4, 4)  # on the grid of half the size, and on the whole one
_SMALLEST = 4  # points on a side of a grid
_DAMPING = 0.02  # share of the mean squared slope; where nothing can be told apart, nothing moves
_FLAT = 1e-4  # squared slope, of one grey level over an eighth of a side, up to which an image counts as flat
_STEP = 1.0  # furthest move in a round, in points of the grid
_DOUBLINGS = 4  # 2^4 small displacements make one
_TINY = 1e-6


def warp(images: Tensor, towards: Tensor, shares: Tensor) -> Tensor:
    """Move each image a share of the way to another one.

    Args:
        images: the sources, uint8 or float32 in 0..1, [n, h, w, c] with h and w at least 2.
        towards: the image that each is registered to, of the same shape and type.
        shares: float32 [n], finite; below 0 a child moves away from the other image. None goes further than `FURTHEST`
            and `STEEPEST` allow.

    Returns:
        The children, of the shape and type of `images`. Each depends on its own row alone.
    """
    return move(images, register(images, towards), shares)


def register(images: Tensor, towards: Tensor) -> Tensor:
    """Find the velocity field under whose flow each image becomes another one.

    Fields of pairs that have their first image in common may be averaged before it is moved along them. Exchanging
    `images` and `towards` turns the sign of the field, to the last bit.

    Args:
        images: uint8 or float32 in 0..1, [n, h, w, c].
        towards: of the same shape and type.

    Returns:
        float32 [n, 2, gh, gw], x and y in sides of length 2; gh and gw are h and w, but at most `GRID`.
    """
    first, second = _planes(images), _planes(towards)
    height, width = (min(side, GRID) for side in first.shape[2:])
    sizes = [(max(height // 2, _SMALLEST), max(width // 2, _SMALLEST)), (height, width)]
    velocity = first.new_zeros(len(first), 2, *sizes[0])
    for size, rounds in zip(sizes, _ROUNDS, strict=True):
        a, b = (functional.interpolate(planes, size, mode="area") for planes in (first, second))
        velocity = functional.interpolate(velocity, size, mode="bilinear", align_corners=False)
        velocity = _refined(velocity, a, b, rounds)
    return velocity


def move(images: Tensor, velocity: Tensor, shares: Tensor) -> Tensor:
    """Carry each image along a flow for a share of the time.

    Args:
        images: uint8 or float32 in 0..1, [n, h, w, c].
        velocity: float32 [n, 2, gh, gw], as `register` gives it.
        shares: float32 [n], finite; what is further than `FURTHEST` and `STEEPEST` allow is taken for what they allow.

    Returns:
        Of the shape and type of `images`; float32 in 0..1. What comes from outside the image repeats its border.
    """
    planes = _planes(images)
    reach = _reach(velocity)  # [n]
    step = torch.clamp(shares, -reach, reach) / 2**_DOUBLINGS  # [n]
    displacement = velocity * step[:, None, None, None]  # [n, 2, gh, gw]
    for _ in range(_DOUBLINGS):
        displacement = displacement + _sampled(displacement, displacement)
    displacement = functional.interpolate(displacement, planes.shape[2:], mode="bilinear", align_corners=False)
    # Bilinear interpolation would blur each child a little.
    moved = _sampled(planes, displacement, mode="bicubic").clamp(0, 1).permute(0, 2, 3, 1)  # [n, h, w, c]
    return moved.mul(255).round().to(torch.uint8) if images.dtype == torch.uint8 else moved


def _refined(velocity: Tensor, first: Tensor, second: Tensor, rounds: int) -> Tensor:
    """A better velocity [n, 2, h, w] of images [n, c, h, w], after so many rounds."""
    height, width = first.shape[2:]
    window, smoothness = (
        [_smoothing(side, share * side, first) for side in (height, width)] for share in (WINDOW, SMOOTHNESS)
    )
    blur = [_smoothing(side, _BLUR, first) for side in (height, width)]
    first, second = _smoothed(first, blur), _smoothed(second, blur)
    limit = torch.stack([velocity.new_full((), _STEP * 2 / side) for side in (width, height)])[:, None, None]
    for _ in range(rounds):
        a, b = _sampled(first, velocity / 2), _sampled(second, velocity / -2)
        across, down = _slopes(a + b)  # [n, c, h, w] each
        still = a - b
        sums = [across * across, across * down, down * down, across * still, down * still]
        xx, xy, yy, xs, ys = _smoothed(torch.stack(sums, 1).sum(2), window).unbind(1)  # [n, h, w] each
        damping = _DAMPING * (xx + yy).mean((1, 2), keepdim=True) + _FLAT
        xx, yy = xx + damping, yy + damping
        towards = torch.stack([xy * ys - yy * xs, xy * xs - xx * ys], 1) / (xx * yy - xy * xy)[:, None]
        velocity = _smoothed(velocity + torch.clamp(towards, -limit, limit), smoothness)
    return velocity


def _planes(images: Tensor) -> Tensor:
    """Images uint8 or float32 [n, h, w, c] as float32 [n, c, h, w] in 0..1."""
    planes = images.permute(0, 3, 1, 2)
    return planes.float() / 255 if images.dtype == torch.uint8 else planes


def _sampled(planes: Tensor, displacement: Tensor, mode: str = "bilinear") -> Tensor:
    """What lies at each point moved by its displacement: like `planes`, [n, c, h, w]."""
    height, width = displacement.shape[2:]
    x, y = (_points(side, displacement) for side in (width, height))
    grid = torch.stack([displacement[:, 0] + x, displacement[:, 1] + y[:, None]], -1)  # [n, h, w, 2]
    return functional.grid_sample(planes, grid, mode=mode, padding_mode="border", align_corners=False)


def _points(side: int, like: Tensor) -> Tensor:
    """Where the points of a side lie, [side]."""
    return (torch.arange(side, dtype=like.dtype, device=like.device) * 2 + (1 - side)) / side


def _slopes(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Mean slopes of two images, given their sum, to the right and downwards, [n, c, h, w] each."""
    height, width = planes.shape[2:]
    padded = functional.pad(planes, (1, 1, 1, 1), mode="replicate")
    across, down = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2], padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    return across * (width / 8), down * (height / 8)  # the outer points lie 4 / side apart, and there are two images


def _reach(velocity: Tensor) -> Tensor:
    """The largest share for which each velocity [n, 2, h, w] is within `FURTHEST` and `STEEPEST`, [n]."""
    height, width = velocity.shape[2:]
    across = functional.pad(velocity.diff(dim=3).abs() * (width / 2), (0, 1))  # points lie 2 / side apart
    down = functional.pad(velocity.diff(dim=2).abs() * (height / 2), (0, 0, 0, 1))
    most = [velocity.abs() / FURTHEST, (across + down) / STEEPEST]
    return 1 / torch.stack(most, 1).amax((1, 2, 3, 4)).clamp(min=_TINY)


def _smoothing(side: int, deviation: float, like: Tensor) -> Tensor:
    """Gaussian weights around each point of a side, of that standard deviation in points, [side, side]."""
    points = torch.arange(side, dtype=like.dtype, device=like.device)
    weights = ((points - points[:, None]).square() / (-2 * deviation**2)).exp()
    return weights / weights.sum(1, keepdim=True)


def _smoothed(planes: Tensor, window: list[Tensor]) -> Tensor:
    """Weighted means [..., h, w] by a window for the height and one for the width."""
    down, across = window
    return down @ (planes @ across.t())
