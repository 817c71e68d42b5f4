"""Random affine and elastic copies of images: the plain augmentations that a VAE has to beat."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch.nn import functional

from latentaug.options import AffineRanges

Images = NDArray[np.float32]

ELASTIC_SMOOTHNESS = 4 / 28
"""Standard deviation of the Gaussian that smooths an elastic displacement, as a share of each side."""
ELASTIC_DISPLACEMENT = 1.4 / 28
"""Standard deviation of an elastic displacement along each side, as a share of that side."""
_CHUNK = 1024


DEFAULT = AffineRanges()


def affine(images: Images, copies: int, seed: int, ranges: AffineRanges = DEFAULT) -> Images:
    """Make random affine copies. Shift, rotation, scale and shear are uniform in their ranges, and new for each copy.

    Copies are interpolated bilinearly; outside the image its border is repeated.

    Args:
        images: float32 [n, h, w, c] in 0..1.
        copies: how many copies of each image.
        seed: the same seed gives the same copies.
        ranges: how far copies may be moved, turned, scaled and slanted.

    Returns:
        float32 [n * copies, h, w, c]; copy j of image i is at i * copies + j.
    """
    n, height, width, _ = images.shape
    maps = _inverse_maps(n * copies, height, width, ranges, np.random.default_rng(seed))  # [n * copies, 2, 3]
    source = np.repeat(np.arange(n), copies)
    result = np.empty((len(source), *images.shape[1:]), np.float32)
    for start in range(0, len(source), _CHUNK):
        x = torch.tensor(images[source[start : start + _CHUNK]]).permute(0, 3, 1, 2)  # [chunk, c, h, w]
        grid = functional.affine_grid(maps[start : start + _CHUNK], list(x.shape), align_corners=False)
        result[start : start + _CHUNK] = _sampled(x, grid)
    return result.clip(0, 1)


def elastic(images: Images, copies: int, seed: int) -> Images:
    """Make random elastic copies: every point moves by a smooth random displacement, new for each copy.

    Smoothness and size are those that Simard et al. (2003) give for MNIST (a Gaussian of 4 pixels, alpha 34), in
    proportion to the sides. Copies are interpolated bilinearly; outside the image its border is repeated.

    Args:
        images: float32 [n, h, w, c] in 0..1.
        copies: how many copies of each image.
        seed: the same seed gives the same copies.

    Returns:
        float32 [n * copies, h, w, c]; copy j of image i is at i * copies + j.
    """
    n, height, width, _ = images.shape
    rng, source = np.random.default_rng(seed), np.repeat(np.arange(n), copies)
    result = np.empty((len(source), *images.shape[1:]), np.float32)
    for start in range(0, len(source), _CHUNK):
        x = torch.tensor(images[source[start : start + _CHUNK]]).permute(0, 3, 1, 2)  # [chunk, c, h, w]
        still = functional.affine_grid(torch.eye(2, 3).expand(len(x), 2, 3), list(x.shape), align_corners=False)
        result[start : start + _CHUNK] = _sampled(x, still + _displacements(len(x), height, width, rng))
    return result.clip(0, 1)


def _sampled(x: torch.Tensor, grid: torch.Tensor) -> Images:
    """Images [n, c, h, w] looked up at the points of a grid [n, h, w, 2]: float32 [n, h, w, c]."""
    moved = functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
    looked_up: Images = moved.permute(0, 2, 3, 1).numpy()
    return looked_up


def _displacements(n: int, height: int, width: int, rng: np.random.Generator) -> torch.Tensor:
    """Smooth random displacements in `grid_sample`'s coordinates, in which each side is 2 long: float32 [n, h, w, 2]."""
    noise = rng.uniform(-1, 1, (n, height, width, 2)).astype(np.float32)
    down, across = ELASTIC_SMOOTHNESS * height, ELASTIC_SMOOTHNESS * width
    smooth = gaussian_filter(noise, (0, down, across, 0))
    # A Gaussian so wide leaves 1 / (4 pi down across) of the variance of uniform noise, which is 1/3.
    size = np.sqrt(3 * 4 * np.pi * down * across) * 2 * ELASTIC_DISPLACEMENT
    return torch.tensor(smooth * np.float32(size))


def _inverse_maps(n: int, height: int, width: int, ranges: AffineRanges, rng: np.random.Generator) -> torch.Tensor:
    """Where each copy's points lie in the original, in `affine_grid`'s coordinates: float32 [n, 2, 3]."""
    angle = np.deg2rad(rng.uniform(-ranges.rotation, ranges.rotation, n))
    scale = rng.uniform(1 - ranges.scale, 1 + ranges.scale, n)
    shift = rng.uniform(-2 * ranges.shift, 2 * ranges.shift, (n, 2))  # each side is 2 long in these coordinates
    # Drawn last, so that copies without shear are what they were before there was any.
    slant = np.tan(np.deg2rad(rng.uniform(-ranges.shear, ranges.shear, n)))
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    down, right = cos * slant - sin, sin * slant + cos
    # The coordinates are stretched to a square; a rotation in pixels mixes them by the sides' ratio.
    rows = [[cos, down * height / width, shift[:, 0]], [sin * width / height, right, shift[:, 1]]]
    return torch.tensor(np.array(rows, np.float32).transpose(2, 0, 1))
