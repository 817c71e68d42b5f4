"""Whether labels can be spread at all; without the libraries that spreading needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets.dataset import UNLABELLED
from latentaug.errors import InvalidInput, TooLarge

MAX_VALUES = 2**28
"""Most images times classes that labels are spread over at once: a gigabyte."""
MAX_IMAGES = 2**21
"""Most images that labels are spread over at once; each takes about 2 KB of memory."""
MAX_REQUEST_VALUES = 2**20
"""Most images times classes of a request, which then takes seconds."""


def check_labels(labels: NDArray[np.int64], most: int = MAX_VALUES) -> int:
    """Refuse labels that cannot be spread.

    Args:
        labels: int64 [n], `UNLABELLED` for an image without one.
        most: most images times classes.

    Returns:
        How many classes there are.

    Raises:
        InvalidInput: there is no label, or no image without one.
        TooLarge: there are more images times classes than `most`.
    """
    given = labels[labels != UNLABELLED]
    if not len(given):
        raise _wrong("no image has a label that could be spread; label at least one image of each class")
    if len(given) == len(labels):
        raise _wrong("every image has a label already; add images without one")
    classes = len(np.unique(given))
    check_size(len(labels), classes, most)
    return classes


def check_size(images: int, classes: int, most: int = MAX_VALUES) -> None:
    """Refuse more images times classes than `most`, and more images than `MAX_IMAGES`.

    Raises:
        TooLarge: there are more.
    """
    if images > MAX_IMAGES:
        raise TooLarge(f"labels are spread over {MAX_IMAGES:,} images at most, not over {images:,}; use fewer images")
    if images * classes > most:
        raise TooLarge(
            f"the labels of {classes} classes cannot be spread over {images} images at once, but over "
            f"{most // classes} at most; use fewer images"
        )


def _wrong(message: str) -> InvalidInput:
    return InvalidInput(message, fields=[("labels", message)])
