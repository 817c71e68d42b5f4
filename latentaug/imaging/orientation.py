"""Images turned as their files say that they are to be seen."""

from __future__ import annotations

from latentaug.imaging.depth import Levels

_FLIPS = {2: (False, False, True), 3: (False, True, True), 4: (False, True, False), 5: (True, False, False)}
_FLIPS |= {6: (True, False, True), 7: (True, True, True), 8: (True, True, False)}
"""Of each orientation: whether rows become columns, and whether rows and columns are in reverse order after that."""


def turned(image: Levels, orientation: int) -> Levels:
    """An image [h, w, ...] turned as an orientation of EXIF says, not copied; one that EXIF has not turns nothing."""
    swapped, rows, columns = _FLIPS.get(orientation, (False, False, False))
    upright = image.swapaxes(0, 1) if swapped else image
    return upright[:: -1 if rows else 1, :: -1 if columns else 1]
