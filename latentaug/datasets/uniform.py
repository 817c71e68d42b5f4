"""One size for all images of an upload, and a number for each label."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets.dataset import UNLABELLED
from latentaug.errors import InvalidInput, TooLarge
from latentaug.imaging.layout import MAX_LABEL
from latentaug.imaging.pixels import MAX_SIDE, MIN_SIDE, Pixels, fit
from latentaug.imaging.sizes import proposed, sizes_differ

MAX_CLASSES = 10_000

Rows = NDArray[np.int64]


def check_size(size: tuple[int, int], proposed: str = "64x64") -> None:
    """Refuse a height and width that no model is made for.

    Raises:
        InvalidInput: a side outside 8..256.
    """
    height, width = size
    if not (MIN_SIDE <= height <= MAX_SIDE and MIN_SIDE <= width <= MAX_SIDE):
        raise InvalidInput(
            f"images of {height}x{width} are outside {MIN_SIDE}..{MAX_SIDE} pixels a side; "
            f"resize them to another size, such as size={proposed}"
        )


def uniform(
    images: Sequence[Pixels] | Pixels,
    sizes: Sequence[tuple[int, int]],
    size: tuple[int, int] | None,
    max_bytes: int,
    files: Sequence[str] | None,
) -> Pixels:
    """All images in one array, uint8 [n, h, w, c]; raises what `create` raises for their sizes and bytes."""
    if size is None and len(set(sizes)) > 1:
        raise InvalidInput(sizes_differ(sizes, files))
    height, width = size or sizes[0]
    check_size((height, width), proposed(sizes))
    channels = max(image.shape[2] for image in images)
    if len(images) * height * width * channels > max_bytes:
        raise TooLarge(f"the images hold more than {max_bytes} bytes; give fewer or a smaller size")
    return fit(images, height, width, channels, resize=size is not None)


def numbered(labels: Sequence[str | None] | None, n: int) -> tuple[list[str], Rows | None]:
    """Label names in natural order, in which 2 comes before 10, and the number of each image's label."""
    if labels is None:
        return [], None
    if len(labels) != n:
        raise InvalidInput(f"there are {len(labels)} labels for {n} images; give one label for each image")
    found = {label for label in labels if label is not None}
    if not found:
        return [], None
    if any(not 0 < len(label) <= MAX_LABEL for label in found):
        raise InvalidInput(f"a label is empty or longer than {MAX_LABEL} characters; shorten it")
    if len(found) > MAX_CLASSES:
        raise InvalidInput(
            f"there are {len(found)} different labels, and at most {MAX_CLASSES} are accepted; merge some"
        )
    classes = sorted(found, key=_naturally)
    number = {label: i for i, label in enumerate(classes)}
    return classes, np.array([UNLABELLED if label is None else number[label] for label in labels], np.int64)


def _naturally(label: str) -> tuple[list[tuple[int, str]], str]:
    """A key that sorts class_2 before class_10, and 1 before 01."""
    parts = re.split(r"([0-9]+)", label)  # every second one is a number
    return [(int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)], label[::-1]
