"""Arrays of images as callers send them: checked, and told apart from what they are often mistaken for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentaug.errors import InvalidInput, TooLarge
from latentaug.imaging.depth import in_unit_range, of_unit_range
from latentaug.imaging.pixels import MAX_SIDE, MIN_SIDE, Limits, Pixels

DARK = 16
"""Where no value of a whole batch is above this, of 255, its images are nearly black and probably in another range."""


def to_uint8(array: NDArray[np.generic], limits: Limits) -> Pixels:
    """Check a batch as callers send it and make it uint8.

    Args:
        array: [n, h, w] or [n, h, w, c], c 1 or 3; uint8, float in 0..1, or bool for black and white.
        limits: bounds on it.

    Returns:
        uint8 [n, h, w, c]; floats are rounded to the nearest of 256 levels.

    Raises:
        InvalidInput: another type or shape, no images, or floats that are not finite or outside 0..1.
        TooLarge: more than `limits` allow.
    """
    if mistake := _mistaken_shape(array.shape):
        raise InvalidInput(mistake)
    if array.ndim == 3:
        array = array[..., None]  # [n, h, w, 1]
    if 0 in array.shape:
        raise InvalidInput("the batch is empty; send at least one image of at least one pixel")
    if array.shape[0] > limits.max_images:
        raise TooLarge(f"{array.shape[0]} images in one request; send at most {limits.max_images}")
    if array.shape[1] * array.shape[2] > limits.max_pixels or array.size > limits.max_bytes:
        raise TooLarge(f"images of the shape {list(array.shape)} are over the limit on pixels; send fewer or smaller")
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array, dtype=np.uint8)
    limits.room(array.size)
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind != "f":
        raise InvalidInput(
            f"images are {array.dtype}; send uint8 in 0..255 (if the values are, images.astype('uint8')) or float32 in "
            "0..1 (divide by the largest value that there can be)"
        )
    if not in_unit_range(array):
        raise InvalidInput(
            f"float images must be finite and lie in 0..1, and these {_range(array)}; "
            "scale them to 0..1, or send uint8 for 0..255"
        )
    return of_unit_range(array)


def largest(images: Pixels) -> int:
    """The largest value of a batch, uint8; 0 where it is empty."""
    return int(images.max(initial=0))


def told_dark(top: int) -> list[str]:
    """That all of a batch with this largest value is nearly black, in a sentence; nothing if it is not, or is black."""
    if not 0 < top <= DARK:
        return []
    return [
        f"No value of any image is above {top}, of 255, so all are nearly black. If {top} stands for white, multiply "
        f"the values by {255 // top} and send them again."
    ]


def refuse_masks(top: int) -> None:
    """Refuse a batch with the largest value 1: its images are black and white to whoever sent them.

    Raises:
        InvalidInput: such a batch.
    """
    if top == 1:
        raise InvalidInput(
            "the images hold only 0 and 1, of 255, and so are all black; multiply them by 255, or send them as bool"
        )


def _mistaken_shape(shape: tuple[int, ...]) -> str | None:
    """What to do about a shape that is none of a batch of images; None for one that is."""
    found = f"images have the shape {list(shape)}"
    if len(shape) == 2:
        return (
            f"{found}: for one image add the axis of the batch, images[None]; for rows of pixels restore their sides, "
            "images.reshape(n, height, width)"
        )
    if len(shape) == 3 and shape[2] in (3, 4) and shape[1] >= MIN_SIDE:
        return f"{found}, which is one image in colour; add the axis of the batch, images[None]"
    if len(shape) == 3 and shape[0] == shape[1] and shape[2] > MAX_SIDE:
        return f"{found}: the images come first here, [n, h, w]; send images.transpose(2, 0, 1)"
    if len(shape) == 4 and shape[0] == shape[1] and shape[2] in (1, 3) and shape[3] not in (1, 3):
        return f"{found}: the images come first here, [n, h, w, c]; send images.transpose(3, 0, 1, 2)"
    if len(shape) == 4 and shape[3] == 4 and shape[1] not in (1, 3):
        return f"{found}, with alpha as a fourth channel; leave it out, images[..., :3], or send PNG files"
    if len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3):
        return f"{found}: channels come last here, [n, h, w, c]; send images.transpose(0, 2, 3, 1)"
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        return f"{found}; send [n, h, w], [n, h, w, 1] or [n, h, w, 3]"
    return None


def _range(array: NDArray[np.generic]) -> str:
    if not np.isfinite(array).all():
        return "hold NaN or infinity"
    return f"go from {float(array.min()):.3g} to {float(array.max()):.3g}"
