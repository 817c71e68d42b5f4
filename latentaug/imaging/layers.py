"""Images of 16 bits as they are in files, and transparent ones laid on what shows their drawing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentaug.imaging.depth import parts, scaled, used_bits

Background = Literal["black", "white"]
_SEEN = 1024
_FAINT = 40.0
"""Grey levels, root mean square, by which a drawing must differ from white to be seen on it."""


@dataclass(frozen=True)
class Deep:
    """An image of 16 bits, whose values may use fewer.

    Attributes:
        colour: uint16 [h, w, 1 or 3].
        alpha: how little of the background is to be seen, uint16 [h, w]; None if none of it is.
    """

    colour: NDArray[np.uint16]
    alpha: NDArray[np.uint16] | None = None


def laid(image: Deep) -> tuple[NDArray[np.uint16], Background | None]:
    """Lay an image of 16 bits on white or black, as `background` says, if it is transparent.

    White is the largest value of as many bits as the image uses, and so is what hides the background.

    Returns:
        uint16 [h, w, 1 or 3], and what it was laid on.
    """
    colour, alpha = image.colour, image.alpha
    if alpha is None or int(alpha.min(initial=65535)) == (solid := _largest(alpha)):
        return colour, None
    white = _largest(colour)
    step = 1 + max(alpha.shape) // _SEEN
    drawing = scaled(colour[::step, ::step], white)
    seen = np.broadcast_to(drawing, (*drawing.shape[:2], 3))
    name = background(np.dstack([seen, scaled(alpha[::step, ::step], solid)]))
    ground = white if name == "white" else 0
    flat = np.empty_like(colour)
    for part in parts(colour):
        shown = alpha[part, :, None].astype(np.uint32)  # the sums below are under 2**32
        flat[part] = (colour[part] * shown + np.uint32(ground) * (solid - shown) + solid // 2) // solid
    return flat, name


def straight(colour: NDArray[np.uint16], alpha: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Colour [h, w, c] that was multiplied by its alpha [h, w], as it was before."""
    before = np.empty_like(colour)
    for part in parts(colour):
        divisor = np.maximum(alpha[part], 1)[..., None].astype(np.uint32)
        before[part] = np.minimum((colour[part].astype(np.uint32) * 65535 + divisor // 2) // divisor, 65535)
    return before


def flattened(image: Image.Image) -> tuple[NDArray[np.uint8], Background | None]:
    """Lay an image of 8 bits with transparency on white or black, as `background` says, if it hides not all of it.

    Returns:
        uint8 [h, w, 3], and what it was laid on.
    """
    layers = np.asarray(image.convert("RGBA"))  # [h, w, 4]
    if layers[..., 3].min(initial=255) == 255:
        return layers[..., :3], None
    name = background(layers)
    flat = Image.alpha_composite(Image.new("RGBA", image.size, name), image.convert("RGBA")).convert("RGB")
    return np.asarray(flat), name


def background(layers: NDArray[np.uint8]) -> Background:
    """What shows the drawing of a transparent image, uint8 [h, w, 4]: white, unless it is itself nearly white."""
    step = 1 + max(layers.shape[:2]) // _SEEN  # some pixels of a large photo tell as much
    red, green, blue, alpha = (layers[::step, ::step, i].astype(np.float64) for i in range(4))
    apart = (255 - (0.299 * red + 0.587 * green + 0.114 * blue)) ** 2
    drawn = alpha.sum()
    return "black" if drawn and (alpha * apart).sum() / drawn < _FAINT**2 else "white"


def _largest(values: NDArray[np.uint16]) -> int:
    return int(2 ** (used_bits([values]) or 8) - 1)
