"""Random shifts, rotations and scalings of images: the plain augmentation that a VAE's has to beat."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

Images = NDArray[np.float32]

SHIFT = 2 / 28
"""Largest shift, as a share of the side: 2 pixels of MNIST's 28."""
DEGREES = 10.0
SCALE = 0.1

_CHUNK = 1024


def affine(images: Images, copies: int, seed: int) -> Images:
    """Make random affine copies: shifted up to 2/28 of each side, rotated up to 10 degrees and scaled by 0.9 to 1.1.

    Each uniform and drawn for each copy; bilinear; outside the image its border is repeated.

    Args:
        images: float32 [n, h, w, c] in 0..1.
        copies: of each image.
        seed: the same seed gives the same copies.

    Returns:
        float32 [n * copies, h, w, c]; copy j of image i is at i * copies + j.
    """
    n, height, width, _ = images.shape
    maps = _inverse_maps(n * copies, height, width, np.random.default_rng(seed))  # [n * copies, 2, 3]
    source = np.repeat(np.arange(n), copies)
    result = np.empty((len(source), *images.shape[1:]), np.float32)
    for start in range(0, len(source), _CHUNK):
        x = torch.tensor(images[source[start : start + _CHUNK]]).permute(0, 3, 1, 2)  # [chunk, c, h, w]
        grid = functional.affine_grid(maps[start : start + _CHUNK], list(x.shape), align_corners=False)
        moved = functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
        result[start : start + _CHUNK] = moved.permute(0, 2, 3, 1).numpy()
    return result.clip(0, 1)


def _inverse_maps(n: int, height: int, width: int, rng: np.random.Generator) -> torch.Tensor:
    """Where each copy's points lie in the original, in `affine_grid`'s coordinates: float32 [n, 2, 3]."""
    angle = np.deg2rad(rng.uniform(-DEGREES, DEGREES, n))
    scale = rng.uniform(1 - SCALE, 1 + SCALE, n)
    shift = rng.uniform(-2 * SHIFT, 2 * SHIFT, (n, 2))  # each side is 2 long in these coordinates
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    # The coordinates are stretched to a square; a rotation in pixels mixes them by the sides' ratio.
    rows = [[cos, -sin * height / width, shift[:, 0]], [sin * width / height, cos, shift[:, 1]]]
    return torch.tensor(np.array(rows, np.float32).transpose(2, 0, 1))
