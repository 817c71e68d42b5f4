"""Images as callers have them, brought into one of the two forms that a request carries: one array, or files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence, Set
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

_KEPT_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16", "I;16B"}
"""Modes of PIL that a PNG holds as they are."""


class Picture(Protocol):
    """What is needed of a PIL image, so that PIL itself is not needed."""

    mode: str

    def save(self, file: Any, format: str) -> None:
        """Write the image."""

    def convert(self, mode: str) -> Picture:
        """The image in another mode."""


Image: TypeAlias = NDArray[Any] | str | PathLike[str] | bytes | Picture
Images: TypeAlias = NDArray[Any] | Iterable[Image]
"""Images: uint8 or float in 0..1, [n, h, w] or [n, h, w, c]; or several arrays of one size, paths, bytes of files or
PIL images. PyTorch's tensors count as arrays."""


def gathered(images: Images) -> NDArray[Any] | list[bytes]:
    """All images as one array, or each as the bytes of a file.

    Raises:
        TypeError: one path or picture instead of several, or something that is no image.
        ValueError: no images, arrays of several shapes or without a batch axis, or pictures that have no fixed range.
    """
    _refuse_one(images)
    if _is_array(images):
        return _checked(np.asarray(images))
    listed = list(images)
    if not listed:
        raise ValueError("there are no images; give at least one")
    arrays = [image for image in listed if _is_array(image) or isinstance(image, list | tuple)]
    if not arrays:
        return [_file(image) for image in listed]
    if len(arrays) < len(listed):
        raise ValueError("some images are arrays and some are not; give all of them in one form")
    return _checked(_stacked([np.asarray(array) for array in arrays]))


def _refuse_one(images: Images) -> None:
    """Refuse a single path, file or picture, which could be taken for several, and what has no order or no images."""
    if isinstance(images, str | PathLike) and Path(images).is_dir():
        raise TypeError(f"{images} is a folder; upload it with `client.upload`, or give its files as a list of paths")
    if isinstance(images, str | bytes | PathLike) or hasattr(images, "save"):
        one = "path" if isinstance(images, str | PathLike) else "image"
        raise TypeError(f"this is one {one} and no list of images; put it into a list: [{one}]")
    if isinstance(images, Mapping | Set) or not (_is_array(images) or isinstance(images, Iterable)):
        raise TypeError(f"this is a {type(images).__name__} and no list of images; give an array, or a list of images")


def _is_array(value: object) -> bool:
    """Whether numpy can see it as an array; a PIL image could be seen so too, but holds more than its numbers."""
    return isinstance(value, np.ndarray) or (hasattr(value, "__array__") and not hasattr(value, "save"))


def _stacked(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    if len({array.shape for array in arrays}) > 1:
        raise ValueError("the arrays have several shapes; give arrays of one shape, or PIL images or paths")
    return np.stack(arrays)


def _checked(array: NDArray[Any]) -> NDArray[Any]:
    """An array of images whose axes can be what they are taken for; whole numbers in 0..255 become uint8."""
    shape = list(array.shape)
    if array.ndim == 2:
        raise ValueError(
            f"the array {shape} is a single image without a batch axis, to be given as image[None]; or its rows are "
            "images, to be given as rows.reshape(-1, height, width)"
        )
    if array.ndim == 3 and array.shape[2] in (1, 3):
        raise ValueError(f"the array {shape} is a single image without a batch axis; give it as image[None]")
    if array.ndim == 4 and array.shape[3] not in (1, 3) and array.shape[1] in (1, 3):
        raise ValueError(f"the array {shape} has its channels first; give images.transpose(0, 2, 3, 1)")
    if array.dtype.kind == "b":
        return np.where(array, np.uint8(255), np.uint8(0))
    if array.dtype.kind in "iu" and array.size and array.min() >= 0 and array.max() <= 255:
        return array.astype(np.uint8, copy=False)
    return array


def _file(image: Any) -> bytes:
    """The bytes of an image file."""
    if isinstance(image, bytes):
        return image
    if isinstance(image, str | PathLike):
        return Path(image).read_bytes()
    if hasattr(image, "save"):
        return _png(image)
    if hasattr(image, "read"):
        content = image.read()
        if isinstance(content, bytes) and content:
            return content
        raise TypeError("a file gave no bytes; open it in binary mode and give it before it has been read, or its path")
    raise TypeError(f"a {type(image).__name__} is no image; give arrays, paths, bytes of files or PIL images")


def _png(picture: Picture) -> bytes:
    """A PIL image as PNG, which holds grey levels and colours, but no inks and no fractions."""
    if picture.mode == "F":
        raise ValueError(
            "a PIL image of mode F has no fixed range; give image.convert('L') if its values are 0..255, or an array "
            "with values in 0..1"
        )
    out = io.BytesIO()
    (picture if picture.mode in _KEPT_MODES else picture.convert("RGB")).save(out, format="PNG")
    return out.getvalue()
