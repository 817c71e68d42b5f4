"""Images as uint8 arrays: read from files, fitted to a model, written as PNG and as contact sheets.

Images are uint8 [height, width, channels] with 1 (grey) or 3 (red, green, blue) channels, values 0 to 255. The limits
on single images are here; those on files of many images are in `latentaug.imaging.archives`.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from latentaug.errors import InvalidInput, MalformedInput, TooLarge
from latentaug.imaging import libtiff
from latentaug.imaging.depth import Levels
from latentaug.imaging.formats import FORMATS, HEAD, READ, is_known_head, kind
from latentaug.imaging.jpeg import MOST_SCANS, USUAL_SCANS, scans
from latentaug.imaging.layers import Background, Deep, flattened, laid
from latentaug.imaging.orientation import turned
from latentaug.imaging.png import deep
from latentaug.imaging.tiff import picture
from latentaug.imaging.tiff_kinds import check_kind
from latentaug.imaging.tiff_samples import MOST_PADDED, padded_pixels
from latentaug.imaging.tiff_tags import HEADS, first_page

MIN_SIDE, MAX_SIDE = 8, 256
"""Shortest and longest side, in pixels, of images that a VAE learns."""
ROUNDING = 1 / 12 / 255**2
"""Variance of the rounding to grey levels, in 0..1. No reconstruction can be told to be better than that."""
Pixels = NDArray[np.uint8]

# What Pillow raises, besides errors of its own, for bytes that are not the image they claim to be.
_BROKEN = (
    UnidentifiedImageError,
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    EOFError,
    TypeError,
    ArithmeticError,  # such as a division by a rate of 0 frames
    RuntimeError,
    MemoryError,  # of a size that the file claims; what is allocated for the pixels is bounded before
    UserWarning,
    struct.error,
)
libtiff.silence()
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def room_for_all(size: int) -> None:
    """Where the bounds on a batch are enough."""


@dataclass(frozen=True)
class Limits:
    """Bounds that are checked before memory is allocated.

    Attributes:
        max_images: most images in one batch.
        max_pixels: most pixels (height x width) of one image.
        max_bytes: most bytes of a batch, decompressed and decoded.
        room: told of the bytes of images as they are taken one by one; raises where there is no room for more.
    """

    max_images: int = 4096
    max_pixels: int = 2**24
    max_bytes: int = 256 * 2**20
    room: Callable[[int], None] = field(default=room_for_all, compare=False)

    def within(self, room: Callable[[int], None]) -> Limits:
        """The same bounds, for images of which `room` is told."""
        return Limits(self.max_images, self.max_pixels, self.max_bytes, room)


@dataclass(frozen=True)
class Decoded:
    """One image as it is in its file, and what to tell about how it was read.

    Attributes:
        levels: uint8 [h, w, 1 or 3]; or uint16 from a file of 16 bits, whose values may use fewer bits.
        frames: whether the file holds further frames or pages, which are left.
        background: what the image was laid on, if it is transparent.
        left_over: whether the file holds values for each pixel besides grey or colour and transparency, which are left.
        effort: how many pixels were decoded: more than there are where they came in unusually many scans.
    """

    levels: Levels
    frames: bool = False
    background: Background | None = None
    left_over: bool = False
    effort: int = 0


def decode(data: bytes, limits: Limits) -> Decoded:
    """Decode one image: its first frame, turned as its EXIF orientation says.

    A transparent image is laid on white, or on black if its drawing is nearly white and would not be seen.

    Raises:
        MalformedInput: not an image of the formats that are read, or broken.
        TooLarge: more than `limits.max_pixels`, found from the header before decoding.
    """
    if data.startswith(HEADS):
        return _from_tiff(data, limits)
    image = _opened(data, limits)
    width, height = image.size
    _check_pixels(width, height, limits)
    if (passes := scans(data)) > MOST_SCANS:
        raise TooLarge(f"the JPEG has more than {MOST_SCANS} scans; save it anew")
    levels: Levels
    try:
        if (found := deep(image, data)) is not None:
            levels, background = laid(found)
            levels = turned(levels, _orientation(image))
        else:
            levels, background = _levels(_upright(image))
    except _BROKEN as error:
        raise MalformedInput(f"broken or cut short ({error})") from error
    effort = width * height * max(1, passes // USUAL_SCANS)
    return Decoded(levels, _has_more(image), background, effort=effort)


def encode_png(image: Pixels, text: Mapping[str, str] | None = None) -> bytes:
    """Encode uint8 [h, w, 1 or 3] as PNG, with `text` as its text chunks."""
    chunks = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        chunks.add_itxt(key, value)
    out = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(out, "PNG", pnginfo=chunks, compress_level=1)
    return out.getvalue()


def fit(
    images: Sequence[Pixels] | Pixels,
    height: int,
    width: int,
    channels: int,
    *,
    resize: bool,
    files: Sequence[str] | None = None,
) -> Pixels:
    """Make images fit a model. Colour is always converted, size only on request.

    Args:
        images: each uint8 [h, w, 1 or 3], of any size.
        height: height to fit, in pixels.
        width: width to fit, in pixels.
        channels: 1 or 3.
        resize: whether other sizes are resized: bicubic, with the aspect kept and the rest filled with the median
            colour of the border.
        files: what each image is called, or None.

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
            name = files[i] if files else f"image {i}"
            raise InvalidInput(
                f"{name} is {image.shape[0]}x{image.shape[1]}, but {height}x{width} (height x width) is needed; "
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


def _opened(data: bytes, limits: Limits, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Open an image by Pillow, which reads its header and no pixels."""
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except _BOMB as error:
        raise TooLarge(f"the image claims more than {limits.max_pixels} pixels; send a smaller one") from error
    except _BROKEN as error:
        head = data[:HEAD]
        what = f"not an image, but {found}" if (found := kind(head)) else f"no image of {READ}"
        raise MalformedInput("broken, or of a kind that is not read" if is_known_head(head) else what) from error


def _from_tiff(data: bytes, limits: Limits) -> Decoded:
    """Decode the first page of a TIFF."""
    page = first_page(data)
    check_kind(page)
    _check_pixels(page.width, page.height, limits)
    effort = max(page.width * page.height, padded_pixels(page))
    if effort > MOST_PADDED * limits.max_pixels or math.prod(page.block) > limits.max_pixels:
        raise TooLarge(f"the TIFF has tiles of more than {limits.max_pixels} pixels; save it without such tiles")
    try:
        image = picture(page, data, limits.max_pixels) if page.of_bytes else _opened(data, limits, ("TIFF",))
        levels, background = laid(image) if isinstance(image, Deep) else _levels(_upright(image))
    except _BROKEN as error:
        raise MalformedInput(f"broken or cut short ({error})") from error
    return Decoded(levels, page.more, background, page.left_over, effort)


def _check_pixels(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        raise TooLarge(
            f"the image is {width}x{height}, and at most {limits.max_pixels} pixels are accepted; send a smaller one"
        )


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation says, or as it is if its EXIF data is broken."""
    image.load()  # or else broken pixels are taken for broken EXIF data, and are black when they are read again
    try:
        return ImageOps.exif_transpose(image)
    except _BROKEN:
        return image


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _BROKEN:
        return 1


def _levels(image: Image.Image) -> tuple[Pixels, Background | None]:
    """A Pillow image of 8 bits as uint8 [h, w, 1 or 3], and what it was laid on."""
    if image.has_transparency_data:
        colour, background = flattened(image)
        return _without_colour(colour, image.mode in ("1", "L", "LA", "La")), background
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[..., None], None
    colour = np.asarray(image.convert("RGB"))
    return _without_colour(colour, image.mode == "P" and _is_grey(colour)), None


def _without_colour(image: Pixels, grey: bool) -> Pixels:
    return np.ascontiguousarray(image[..., :1] if grey else image)


def _is_grey(image: Pixels) -> bool:
    return np.array_equal(image[..., 0], image[..., 1]) and np.array_equal(image[..., 1], image[..., 2])


def _has_more(image: Image.Image) -> bool:
    """Whether a file holds more frames; the further pictures of an MPO are no frames, but previews and depths."""
    try:
        return image.format != "MPO" and bool(getattr(image, "is_animated", False))
    except _BROKEN:  # in a further frame
        return True


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
