"""Images of more than 8 bits as images of 8: all of one batch by one scale, so that they stay comparable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from latentaug.errors import InvalidInput
from latentaug.imaging.phrases import counted
from latentaug.options import BITS

Levels = NDArray[np.uint8] | NDArray[np.uint16]

_TOGETHER = 2**20
"""Values that are converted together."""


def in_unit_range(values: NDArray[np.generic]) -> bool:
    """Whether all floats are finite and lie in 0..1."""
    return bool(np.isfinite(values).all() and values.min(initial=0) >= 0 and values.max(initial=0) <= 1)


def of_unit_range(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Floats in 0..1, [n, ...], as the nearest of 256 levels: those of files and those of arrays."""
    levels = np.empty(values.shape, np.uint8)
    for part in parts(values):
        levels[part] = np.rint(values[part].astype(np.float64) * 255)
    return levels


def used_bits(images: Sequence[Levels]) -> int | None:
    """How many bits the images of 16 bits use together, one of `BITS`; None if there are no such images."""
    largest = max((int(image.max(initial=0)) for image in images if image.dtype == np.uint16), default=None)
    return None if largest is None else next(bits for bits in BITS if largest < 2**bits)


def eight_bit(images: Sequence[Levels], bits: int | None = None) -> list[NDArray[np.uint8]]:
    """Scale the images of 16 bits so that the largest value which so many bits can have becomes 255.

    Args:
        images: each uint8 or uint16 [h, w, c]; those of uint8 stay as they are.
        bits: how many bits are in use, one of `BITS`; None takes as few as hold all values of all these images.

    Raises:
        InvalidInput: a value needs more bits than that.
    """
    used = used_bits(images)
    if used is None:
        return [image.view(np.uint8) for image in images]
    bits = bits or used
    if used > bits:
        message = f"there are values up to {max(int(i.max()) for i in images if i.dtype == np.uint16)}, which {bits}"
        raise InvalidInput(f"{message} bits cannot hold; set bits={used}", fields=[("bits", f"must be {used} or more")])
    top = 2**bits - 1
    return [image.view(np.uint8) if image.dtype == np.uint8 else scaled(image, top) for image in images]


def scale_told(images: Sequence[Levels], bits: int | None = None) -> list[str]:
    """What `eight_bit` does with the images of 16 bits, in a sentence; nothing if there are none."""
    used = used_bits(images)
    if used is None:
        return []
    deep = sum(image.dtype == np.uint16 for image in images)
    how = "as asked" if bits else "the range that they use together"
    return [f"{counted(deep, 'image')} of 16 bits: values from 0 to {2 ** (bits or used) - 1} became 0 to 255 ({how})."]


def scaled(image: Levels, top: int) -> NDArray[np.uint8]:
    """Values 0..top of an image [h, ...] spread over 0..255, rounded to the nearest."""
    levels = np.empty(image.shape, np.uint8)
    for part in parts(image):
        levels[part] = (image[part].astype(np.uint32) * 255 + top // 2) // top
    return levels


def parts(values: NDArray[np.generic]) -> Iterator[slice]:
    """Rows of an array, so many at a time that what is computed of them does not take several times its memory."""
    step = max(1, _TOGETHER // max(1, values[:1].size))
    return (slice(start, start + step) for start in range(0, len(values), step))
