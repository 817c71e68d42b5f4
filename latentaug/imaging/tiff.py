"""TIFFs: their samples as grey or colour, turned as they are to be seen."""

from __future__ import annotations

import numpy as np
from PIL import Image

from latentaug.errors import MalformedInput
from latentaug.imaging.depth import Levels, scaled
from latentaug.imaging.layers import Deep, straight
from latentaug.imaging.orientation import turned
from latentaug.imaging.tiff_samples import samples
from latentaug.imaging.tiff_tags import (
    CMYK,
    COLOURS,
    LAB,
    MIN_IS_WHITE,
    PALETTE,
    PREMULTIPLIED,
    YCBCR,
    Page,
)


def picture(page: Page, data: bytes, max_pixels: int) -> Image.Image | Deep:
    """The first page of a TIFF whose blocks are bytes.

    Returns:
        Of samples of 16 bits their image, and of others one by Pillow, in grey or colour, perhaps with transparency.

    Raises:
        MalformedInput, TooLarge, OSError: as `samples` does.
    """
    all_of = turned(samples(page, data, max_pixels), page.orientation)
    count = COLOURS[page.photometric]
    colour = _colour(page, all_of[..., :count])
    at = page.alpha
    alpha = None if at is None else all_of[..., count + at]
    premultiplied = at is not None and page.extra[at] == PREMULTIPLIED
    if colour.dtype == np.uint16:
        deep, clear = colour.view(np.uint16), None if alpha is None else alpha.view(np.uint16)
        return Deep(straight(deep, clear) if premultiplied and clear is not None else deep, clear)
    if alpha is not None and alpha.dtype == np.uint16:  # of inks of 16 bits
        alpha = scaled(alpha, 65535)
    if alpha is None:
        return Image.fromarray(colour[..., 0] if colour.shape[-1] == 1 else colour)
    mode = ("La" if premultiplied else "LA") if colour.shape[-1] == 1 else ("RGBa" if premultiplied else "RGBA")
    layers = np.dstack([colour, alpha])
    image = Image.frombytes(mode, (layers.shape[1], layers.shape[0]), layers.tobytes())
    return image.convert(mode.upper())


def _colour(page: Page, values: Levels) -> Levels:
    """Levels as grey or as red, green and blue, [h, w, 1 or 3]."""
    if page.photometric == MIN_IS_WHITE:
        return np.invert(values)
    if page.photometric == PALETTE:
        return _of_palette(page, values[..., 0])
    modes = {CMYK: "CMYK", YCBCR: "YCbCr", LAB: "LAB"}
    if page.photometric not in modes:
        return values
    eight = scaled(values, 65535) if values.dtype == np.uint16 else values
    size = (eight.shape[1], eight.shape[0])
    return np.asarray(Image.frombytes(modes[page.photometric], size, eight.tobytes()).convert("RGB"))


def _of_palette(page: Page, indices: Levels) -> Levels:
    """Colours of indices, uint8 [h, w, 3], or [h, w, 1] if all of the palette's are grey."""
    count = 2**page.bits
    if len(page.colours) < 3 * count:
        raise MalformedInput("broken (its palette has too few colours)")
    colours = page.colours[: 3 * count].reshape(3, count).T
    divisor = 256 if colours.max() > 255 else 1  # some programs write them with 8 bits
    of = (colours // np.uint64(divisor)).astype(np.uint8)[indices]
    grey = bool((of[..., 0] == of[..., 1]).all() and (of[..., 1] == of[..., 2]).all())
    return of[..., :1] if grey else of
