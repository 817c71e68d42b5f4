"""How many images are computed together."""

from __future__ import annotations

_VALUES_TOGETHER = 2**23
"""More values of images than these are computed no faster together (docs/results/architectures.md)."""


def together(values: int, most: int) -> int:
    """How many images of so many values each are computed together: `most`, or fewer of large images, at least 1."""
    return max(1, min(most, _VALUES_TOGETHER // values))
