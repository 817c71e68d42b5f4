"""Some images of a data set that is not in memory, of which only those are read that are asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentaug.imaging.pixels import Pixels

MOST_IN_MEMORY = 2**29
"""Images of more bytes than these stay in their file. A job that has so many in memory takes up to four times as many.
The limit is the same on all machines, so that the same seed gives the same model on them."""


class Selection:
    """Rows of images in a mapped file. What it is asked for is copied into memory.

    Args:
        images: uint8 [n, h, w, c], mapped from a file.
        rows: int64 [m], those that are selected; sorted ones are read in the order of the file.
    """

    def __init__(self, images: Pixels, rows: NDArray[np.int64]) -> None:
        self._images, self._rows = images, rows
        self.dtype, self.ndim = images.dtype, images.ndim

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the images have together."""
        return (len(self), *self._images.shape[1:])

    def __getitem__(self, chosen: slice | NDArray[np.int64]) -> Pixels:
        found: Pixels = self._images[self._rows[chosen]]
        return found

    def read(self, chosen: slice, out: Pixels) -> None:
        """Copy some images to where there is memory for them; other threads go on meanwhile."""
        self._images.take(self._rows[chosen], axis=0, out=out, mode="clip")  # "raise" would copy everything twice


Images = Pixels | Selection
"""Images uint8 [n, h, w, c] that are in memory, or are not."""
