"""Pictures as tests look at them."""

from __future__ import annotations

from latentaug.imaging.depth import eight_bit
from latentaug.imaging.pixels import Limits, Pixels, decode


def decode_image(data: bytes, limits: Limits) -> Pixels:
    """One image by itself, uint8 [h, w, c]; that of 16 bits is scaled by the range it uses."""
    return eight_bit([decode(data, limits).levels])[0]
