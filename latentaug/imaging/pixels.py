"""Images as uint8 arrays: read from PNG, JPEG and WebP, fitted to a model, written as PNG and as contact sheets.

Images are uint8 [height, width, channels] with 1 (grey) or 3 (red, green, blue) channels, values 0 to 255. The limits
on single images are here; those on files of many images are in `latentaug.imaging.archives`.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from latentaug.errors import InvalidInput, MalformedInput, TooLarge

FORMATS = ("PNG", "JPEG", "WEBP")
MIN_SIDE, MAX_SIDE = 8, 256
"""Shortest and longest side, in pixels, of images that a VAE learns."""
ROUNDING = 1 / 12 / 255**2
"""Variance of the rounding to grey levels, in 0..1. No reconstruction can be told to be better than that."""
Pixels = NDArray[np.uint8]

# What Pillow raises, besides errors of its own, for bytes that are not the image they claim to be.
_BROKEN = (UnidentifiedImageError, OSError, SyntaxError, ValueError, LookupError, EOFError, TypeError, struct.error)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Limits:
    """Bounds that are checked before memory is allocated.

    Attributes:
        max_images: most images in one batch.
        max_pixels: most pixels (height x width) of one image.
        max_bytes: most bytes of a batch, decompressed and decoded.
    """

    max_images: int = 4096
    max_pixels: int = 2**24
    max_bytes: int = 256 * 2**20


def decode_image(data: bytes, limits: Limits) -> Pixels:
    """Decode one PNG, JPEG or WebP image: its first frame, turned as its EXIF orientation says.

    Transparent images are laid on white, and 16-bit grey is reduced to 8 bits.

    Returns:
        uint8 [height, width, 1] for grey images, [height, width, 3] for colour.

    Raises:
        MalformedInput: not an image of these formats, or broken.
        TooLarge: more than `limits.max_pixels`, found from the header before decoding.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except _BOMB as error:
        raise TooLarge(f"the image claims more than {limits.max_pixels} pixels; send a smaller one") from error
    except _BROKEN as error:
        raise MalformedInput(
            f"not a readable {', '.join(FORMATS)} image; check that the file opens elsewhere"
        ) from error
    width, height = image.size
    if width * height > limits.max_pixels:
        raise TooLarge(
            f"the image is {width}x{height}, and at most {limits.max_pixels} pixels are accepted; send a smaller one"
        )
    try:
        return _array(ImageOps.exif_transpose(image))
    except _BROKEN as error:
        raise MalformedInput(f"the image is broken or cut short ({error}); leave it out, or save it again") from error


def encode_png(image: Pixels, text: Mapping[str, str] | None = None) -> bytes:
    """Encode uint8 [h, w, 1 or 3] as PNG, with `text` as its text chunks."""
    chunks = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        chunks.add_itxt(key, value)
    out = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(out, "PNG", pnginfo=chunks, compress_level=1)
    return out.getvalue()


def to_uint8(array: NDArray[np.generic], limits: Limits) -> Pixels:
    """Check a batch as callers send it, uint8 or float in 0..1, [n, h, w] or [n, h, w, c], and make it uint8.

    Returns:
        uint8 [n, h, w, c]; floats are rounded to the nearest of 256 levels.

    Raises:
        InvalidInput: another type or shape, no images, or floats that are not finite or outside 0..1.
        TooLarge: more than `limits` allow.
    """
    if array.ndim == 3:
        array = array[..., None]  # [n, h, w, 1]
    if array.ndim != 4 or array.shape[3] not in (1, 3):
        raise InvalidInput(f"images have the shape {list(array.shape)}; send [n, h, w], [n, h, w, 1] or [n, h, w, 3]")
    if 0 in array.shape:
        raise InvalidInput("the batch is empty; send at least one image of at least one pixel")
    if array.shape[0] > limits.max_images:
        raise TooLarge(f"{array.shape[0]} images in one request; send at most {limits.max_images}")
    if array.shape[1] * array.shape[2] > limits.max_pixels or array.size > limits.max_bytes:
        raise TooLarge(f"images of the shape {list(array.shape)} are over the limit on pixels; send fewer or smaller")
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array, dtype=np.uint8)
    if array.dtype.kind != "f":
        raise InvalidInput(f"images are {array.dtype}; send uint8 in 0..255 or float32 in 0..1")
    if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
        raise InvalidInput("float images must be finite and lie in 0..1; send uint8 for 0..255")
    return np.rint(array.astype(np.float64) * 255).astype(np.uint8)


def fit(images: Sequence[Pixels] | Pixels, height: int, width: int, channels: int, *, resize: bool) -> Pixels:
    """Make images fit a model. Colour is always converted, size only on request.

    Args:
        images: each uint8 [h, w, 1 or 3], of any size.
        height: height to fit, in pixels.
        width: width to fit, in pixels.
        channels: 1 or 3.
        resize: whether other sizes are resized: bicubic, with the aspect kept and the rest filled with the median
            colour of the border.

    Returns:
        uint8 [n, height, width, channels].

    Raises:
        InvalidInput: no images, or another size without `resize`.
    """
    if len(images) == 0:
        raise InvalidInput("the batch is empty; send at least one image")
    if isinstance(images, np.ndarray) and images.shape[1:3] == (height, width):
        return _recolour(images, channels)
    fitted = np.empty((len(images), height, width, channels), np.uint8)  # [n, h, w, c]
    for i, image in enumerate(images):
        if image.shape[:2] != (height, width) and not resize:
            raise InvalidInput(
                f"image {i} is {image.shape[0]}x{image.shape[1]}, but {height}x{width} (height x width) is needed; "
                "send that size or set resize=true"
            )
        coloured = _recolour(image, channels)
        fitted[i] = coloured if image.shape[:2] == (height, width) else _pad(coloured, height, width)
    return fitted


def contact_sheet(rows: Sequence[Sequence[Pixels]], scale: int = 1, gap: int = 2) -> Pixels:
    """Lay out images of one size in rows on mid-grey, each enlarged `scale` times without smoothing.

    Args:
        rows: images uint8 [h, w, c] of one shape; rows may differ in length.
        scale: times each pixel is repeated, at least 1.
        gap: pixels between images and around the sheet.

    Returns:
        uint8 [H, W, c].
    """
    height, width, channels = rows[0][0].shape
    step_y, step_x = height * scale + gap, width * scale + gap
    columns = max(len(row) for row in rows)
    sheet = np.full((gap + step_y * len(rows), gap + step_x * columns, channels), 128, np.uint8)  # [H, W, c]
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = gap + i * step_y, gap + j * step_x
            enlarged = image.repeat(scale, axis=0).repeat(scale, axis=1)
            sheet[top : top + height * scale, left : left + width * scale] = enlarged
    return sheet


def _array(image: Image.Image) -> Pixels:
    """A Pillow image of any mode as uint8 [h, w, 1 or 3]."""
    if image.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion would clip it at 255
        return (np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8)[..., None]
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[..., None]
    if image.has_transparency_data:
        grey = image.mode == "LA"
        layered = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        flat = Image.alpha_composite(white, layered).convert("L" if grey else "RGB")
        return np.asarray(flat)[..., None] if grey else np.asarray(flat)
    return np.asarray(image.convert("RGB"))


def _recolour(images: Pixels, channels: int) -> Pixels:
    """Convert [..., c] between grey and colour; luminance is that of ITU-R 601, computed in integers."""
    if images.shape[-1] == channels:
        return np.ascontiguousarray(images)
    if channels == 3:
        return np.ascontiguousarray(np.repeat(images, 3, axis=-1))
    red, green, blue = (images[..., i].astype(np.uint32) for i in range(3))
    return ((red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16).astype(np.uint8)[..., None]


def _pad(image: Pixels, height: int, width: int) -> Pixels:
    """Resize [h, w, c] into the frame with its aspect kept; the rest takes the median colour of the image's border."""
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])  # [2h + 2w, c]
    colour = tuple(int(value) for value in np.median(border, axis=0))
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    fill = colour[0] if len(colour) == 1 else colour
    padded = np.asarray(ImageOps.pad(picture, (width, height), Image.Resampling.BICUBIC, color=fill))
    return padded.reshape(height, width, image.shape[-1])
