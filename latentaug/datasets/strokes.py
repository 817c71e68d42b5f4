"""Pen strokes drawn as grey images: white ink (255) on black (0), as MNIST has it.

Zero background is what the VAE's Bernoulli likelihood, the affine transforms (which fill with 0) and the classifiers
are used to from MNIST. Drawn by Pillow at several times the size and averaged down, which gives the grey of the edges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from latentaug.errors import InvalidInput
from latentaug.imaging.pixels import Pixels

Stroke = NDArray[np.float64]
"""Float64 [points, 2]: x to the right and y down, in millimetres, pen on the paper from the first to the last."""

SUPERSAMPLING = 8  # times each side; 65 levels of grey
MAX_SIDE = 512  # pixels


@dataclass(frozen=True)
class Pen:
    """The pen that strokes are drawn with.

    Attributes:
        side: pixels of the square image, 8 to 512.
        scale: pixels a millimetre, for every character alike, so that `c` stays smaller than `C` and `.` than `o`.
            At 5, the images of 70 pixels hold 99 of 100 characters of UJIPEN; larger ones are shrunk to fit.
        width: pixels that the line is wide, at least 0.25.
        margin: pixels around the image that stay black, at least 0.

    Raises:
        InvalidInput: an option outside its range, or a margin and width that leave no room to draw in.
    """

    side: int = 70
    scale: float = 5.0
    width: float = 3.0
    margin: float = 2.0

    def __post_init__(self) -> None:
        if not 8 <= self.side <= MAX_SIDE:
            raise InvalidInput(f"side is {self.side}; give 8 to {MAX_SIDE} pixels")
        if not (0 < self.scale < math.inf and self.width >= 0.25 and self.margin >= 0 and self.room >= 1):
            raise InvalidInput(
                f"scale {self.scale}, width {self.width} and margin {self.margin} do not fit {self.side} pixels; give "
                "a scale above 0, a width of at least 0.25 and a margin of at least 0 that leave a pixel to draw in"
            )

    @property
    def room(self) -> float:
        """Pixels that the middle of the line has to move in, less a sample at either end for Pillow's rounding."""
        return self.side - 2 * self.margin - self.width - 2 / SUPERSAMPLING


PEN = Pen()


def draw(strokes: Sequence[Stroke], pen: Pen = PEN) -> Pixels:
    """Draw one character, its bounding box centred, with round ends and joins; a stroke of one point is a dot.

    Args:
        strokes: at least one, each with at least one point, all finite.
        pen: the pen to draw with.

    Returns:
        uint8 [side, side, 1], 0 where there is no ink and 255 where it covers the pixel.

    Raises:
        InvalidInput: no strokes, no points, another shape, or points that are not finite.
    """
    if not strokes or any(stroke.ndim != 2 or stroke.shape[1] != 2 or len(stroke) == 0 for stroke in strokes):
        raise InvalidInput("a character needs at least one stroke, each [points, 2] with at least one point")
    points = np.concatenate(strokes)  # [points of all strokes, 2]
    if not np.isfinite(points).all():
        raise InvalidInput("strokes have points that are not finite; leave them out")
    low, high = points.min(axis=0), points.max(axis=0)
    scale = pen.room / max(float((high - low).max()), pen.room / pen.scale)  # shrinks only what would not fit

    side = pen.side * SUPERSAMPLING
    canvas = Image.new("L", (side, side), 0)
    ink = ImageDraw.Draw(canvas)
    width = max(1, round(pen.width * SUPERSAMPLING))
    for stroke in strokes:
        # Samples, whose fractions Pillow drops: rounding, as its (0, 0) is the middle of the first sample.
        path = (stroke - (low + high) / 2) * (scale * SUPERSAMPLING) + side / 2
        ink.line(path.ravel().tolist(), fill=255, width=width)
        for x, y in path.tolist():
            ink.circle((x, y), (width - 1) / 2, fill=255)
    return np.asarray(canvas.reduce(SUPERSAMPLING))[..., None]
