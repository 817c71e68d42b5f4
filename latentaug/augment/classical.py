"""Random shifts, rotations and scalings of images: the plain augmentation that a VAE has to beat."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from latentaug.options import AffineRanges

Images = NDArray[np.float32]

_CHUNK = 1024


DEFAULT = AffineRanges()


def affine(images: Images, copies: int, seed: int, ranges: AffineRanges = DEFAULT) -> Images:
    """Make random affine copies. Shift, rotation and scale are uniform in their ranges, and new for each copy.

    Copies are interpolated bilinearly; outside the image its border is repeated.

    Args:
        images: float32 [n, h, w, c] in 0..1.
        copies: how many copies of each image.
        seed: the same seed gives the same copies.
        ranges: how far copies may be moved, turned and scaled.

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
        moved = functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
        result[start : start + _CHUNK] = moved.permute(0, 2, 3, 1).numpy()
    return result.clip(0, 1)


def _inverse_maps(n: int, height: int, width: int, ranges: AffineRanges, rng: np.random.Generator) -> torch.Tensor:
    """Where each copy's points lie in the original, in `affine_grid`'s coordinates: float32 [n, 2, 3]."""
    angle = np.deg2rad(rng.uniform(-ranges.rotation, ranges.rotation, n))
    scale = rng.uniform(1 - ranges.scale, 1 + ranges.scale, n)
    shift = rng.uniform(-2 * ranges.shift, 2 * ranges.shift, (n, 2))  # each side is 2 long in these coordinates
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    # The coordinates are stretched to a square; a rotation in pixels mixes them by the sides' ratio.
    rows = [[cos, -sin * height / width, shift[:, 0]], [sin * width / height, cos, shift[:, 1]]]
    return torch.tensor(np.array(rows, np.float32).transpose(2, 0, 1))
