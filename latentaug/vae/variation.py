"""Training images that are never quite the same twice: a part of each, enlarged, and mirrored every other time.

The residual network has parameters enough to learn a thousand photos by heart, and then it reconstructs no others. With
these variations what it learns holds for images that it has not seen (docs/results/README.md).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

ZOOM = 0.15
"""Most that is cut off, as a share of each side."""
CHANCES = 4
"""Random numbers for each image."""


def vary(x: Tensor, chances: Tensor) -> Tensor:
    """Vary images.

    Args:
        x: float32 [n, c, h, w].
        chances: float32 [n, CHANCES] in 0..1: how much is cut off, where the rest lies (two numbers), and whether it is
            mirrored.

    Returns:
        float32 [n, c, h, w], channels-last.
    """
    size = 1 - ZOOM * chances[:, 0]  # [n]
    mirror = torch.where(chances[:, 3] < 0.5, -1.0, 1.0)  # [n]
    places = torch.zeros(len(x), 2, 3, device=x.device)
    places[:, 0, 0], places[:, 1, 1] = size * mirror, size
    places[:, :, 2] = (2 * chances[:, 1:3] - 1) * (1 - size)[:, None]
    grid = functional.affine_grid(places, list(x.shape), align_corners=False)  # [n, h, w, 2]
    varied = functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return varied.contiguous(memory_format=torch.channels_last)
