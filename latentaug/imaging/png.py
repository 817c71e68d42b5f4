"""PNGs of 16 bits with colour or transparency, of which Pillow itself gives the upper 8 bits of each value."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentaug.imaging.layers import Deep

_PASSES = {"RGB;16B": ("RGB;16B", "RGB;16L"), "RGBA;16B": ("RGBA;16B", "RGBA;16L"), "LA;16B": ("RGBA",)}
"""How Pillow is to take the bytes of each kind: the upper ones and the lower ones, or all four of grey and alpha."""
_GREY = "I;16B"


def deep(image: Image.Image, data: bytes) -> Deep | None:
    """An opened PNG of 16 bits, not turned as its EXIF data says; None for any other image.

    Raises:
        OSError: it is broken.
    """
    kind = _kind(image)
    if image.format != "PNG" or kind not in (_GREY, *_PASSES):
        return None
    clear = image.info.get("transparency")
    if kind == _GREY:
        colour = np.asarray(image).astype(np.uint16, copy=False)[..., None]
        return Deep(colour, None if clear is None else _hidden(colour, clear))
    passes = [_taken(data, mode) for mode in _PASSES[kind]]
    if kind == "LA;16B":
        values = passes[0].view(">u2").astype(np.uint16)  # [h, w, 2]
    else:
        values = passes[0].astype(np.uint16)
        values <<= 8
        values |= passes[1]
    if kind == "RGB;16B":
        return Deep(values, None if clear is None else _hidden(values, clear))
    return Deep(np.ascontiguousarray(values[..., :-1]), np.ascontiguousarray(values[..., -1]))


def _kind(image: Image.Image) -> str | None:
    tiles: Any = getattr(image, "tile", None)
    return tiles[0].args if tiles and isinstance(tiles[0].args, str) else None


def _taken(data: bytes, kind: str) -> NDArray[np.uint8]:
    """The bytes that Pillow takes from a PNG if it is told that they are of this kind, [h, w, c]."""
    image: Any = Image.open(io.BytesIO(data), formats=["PNG"])
    image.tile = [tile._replace(args=kind) for tile in image.tile]
    return np.asarray(image)


def _hidden(colour: NDArray[np.uint16], clear: int | tuple[int, ...]) -> NDArray[np.uint16]:
    """The alpha of an image in which one colour is transparent, [h, w]."""
    return np.where((colour == np.array(clear)).all(axis=-1), np.uint16(0), np.uint16(65535))
