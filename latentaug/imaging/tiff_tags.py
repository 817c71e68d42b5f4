"""What a TIFF says of its first page.

Tags are read here and not by Pillow, which refuses many kinds of TIFF without a word of what they are.

Source: TIFF 6.0 (Adobe, 1992), and for BigTIFF the design of libtiff 4.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from latentaug.errors import MalformedInput

HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of a TIFF, and of a BigTIFF."""
MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
"""What values mean: the tag PhotometricInterpretation."""
PREMULTIPLIED, _STRAIGHT, _STRAIGHT_IN_COREL = 1, 2, 999
"""Transparency among the samples beyond colour: the tag ExtraSamples."""
COLOURS = {MIN_IS_WHITE: 1, MIN_IS_BLACK: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, LAB: 3}
"""How many samples the grey or colour of each meaning has."""
PLAIN = 1
_DIFFERING = {5, 8, 32946, 34925, 50000}
"""Compressions whose samples may be differences of their neighbours: LZW, Deflate, the older one, LZMA, Zstandard."""
_OF_BYTES = {PLAIN, 32773} | _DIFFERING
"""Compressions of any bytes: none and PackBits besides."""

_TAGS = {
    "width": 256,
    "height": 257,
    "bits": 258,
    "compression": 259,
    "photometric": 262,
    "fill": 266,
    "offsets": 273,
    "orientation": 274,
    "samples": 277,
    "rows": 278,
    "counts": 279,
    "planar": 284,
    "predictor": 317,
    "colours": 320,
    "tile_width": 322,
    "tile_height": 323,
    "tile_offsets": 324,
    "tile_counts": 325,
    "inks": 332,
    "extra": 338,
    "form": 339,
    "subsampling": 530,
}
_TYPES = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 13: "u4", 16: "u8"}
_FORMS: Mapping[int, Literal["whole", "signed", "float"]] = {1: "whole", 2: "signed", 3: "float", 4: "whole"}
SAVE = "save it as 8 or 16 bits of grey or RGB, without compression or with LZW"
"""What to do about a TIFF that is not read."""
_MOST_ENTRIES = 65535


@dataclass(frozen=True)
class Page:
    """The first page of a TIFF.

    Attributes:
        width: in pixels, as its rows are stored.
        height: the same.
        bits: of each sample.
        form: whether samples are whole numbers, such with a sign, or floats.
        samples: of each pixel.
        photometric: what they mean.
        extra: what each sample beyond grey or colour is.
        separate: whether each sample has a plane of its own.
        compression: how its blocks are packed.
        predictor: 1 for none, 2 for differences of neighbours, 3 for those of floats.
        reversed: whether the bits of each byte are in reverse order.
        orientation: as in EXIF.
        order: of the bytes, "<" or ">".
        tiled: whether it is stored in tiles, which are whole at its edges too, or else in strips of rows.
        block: height and width, in pixels, of its tiles or strips.
        offsets: where these lie.
        counts: how many bytes each has.
        colours: of a palette, three for each index, first all reds; or empty.
        subsampled: whether there are fewer samples of colour than of light, as in a JPEG.
        other_inks: whether its inks are not cyan, magenta, yellow and black.
        more: whether there are further pages.
    """

    width: int
    height: int
    bits: int
    form: Literal["whole", "signed", "float"]
    samples: int
    photometric: int
    extra: tuple[int, ...]
    separate: bool
    compression: int
    predictor: int
    reversed: bool
    orientation: int
    order: str
    tiled: bool
    block: tuple[int, int]
    offsets: NDArray[np.uint64]
    counts: NDArray[np.uint64]
    colours: NDArray[np.uint64]
    subsampled: bool
    other_inks: bool
    more: bool

    @property
    def blocks(self) -> tuple[int, int]:
        """How many blocks there are of each plane, from top to bottom and from left to right."""
        return -(-self.height // self.block[0]), -(-self.width // self.block[1])

    @property
    def alpha(self) -> int | None:
        """Which of the samples beyond grey or colour is transparency; None if none is."""
        kinds = (PREMULTIPLIED, _STRAIGHT, _STRAIGHT_IN_COREL)
        return next((i for i, kind in enumerate(self.extra) if kind in kinds), None)

    @property
    def left_over(self) -> bool:
        """Whether there are samples that are neither grey or colour nor its transparency."""
        return len(self.extra) > (self.alpha is not None)

    @property
    def of_bytes(self) -> bool:
        """Whether its blocks are bytes of samples once they are unpacked, whatever these mean."""
        return self.compression in _OF_BYTES

    @property
    def deep(self) -> bool:
        """Whether samples are whole numbers whose largest one nothing tells, as in other files of 16 bits."""
        return self.form != "float" and self.bits >= 16 and self.photometric != PALETTE


def first_page(data: bytes) -> Page:
    """Read the tags of a TIFF's first page.

    Raises:
        MalformedInput: they are broken, or the samples of a pixel are not of one kind.
    """
    try:
        return _page(data)
    except (struct.error, LookupError, ValueError, OverflowError) as error:
        raise MalformedInput("broken, or of a kind that is not read") from error


def _page(data: bytes) -> Page:
    order, numbers, more = _tags(data)

    def one(name: str, default: int | None = None) -> int:
        if name in numbers or default is None:
            return int(numbers[name][0])
        return default

    bits, forms = (set(numbers.get(name, np.ones(1)).tolist()) for name in ("bits", "form"))
    if len(bits) > 1 or len(forms) > 1 or not forms <= set(_FORMS):
        what = "complex numbers" if forms & {5, 6} else "samples that differ in their number of bits or in their kind"
        raise MalformedInput(f"a TIFF of {what}, which is not read; {SAVE}")
    if "photometric" not in numbers:
        raise MalformedInput(f"a TIFF that does not say whether it is grey or in colour; {SAVE}")
    width, height, samples, photometric = one("width"), one("height"), one("samples", 1), one("photometric")
    tiled = "tile_offsets" in numbers
    block = (one("tile_height"), one("tile_width")) if tiled else (min(one("rows", height), height), width)
    if min(width, height, samples, *block) < 1:
        raise ValueError("no pixels")
    beyond = samples - COLOURS.get(photometric, samples)
    extra = tuple(numbers.get("extra", np.full(1, _STRAIGHT if photometric == RGB else 0)).tolist())
    place = "tile_" if tiled else ""
    offsets = numbers.get(f"{place}offsets", np.empty(0, np.uint64))
    return Page(
        width=width,
        height=height,
        bits=int(bits.pop()),
        form=_FORMS[int(forms.pop())],
        samples=samples,
        photometric=photometric,
        extra=(*extra, *[0] * min(max(beyond, 0), 64))[: max(beyond, 0)],
        separate=one("planar", 1) == 2 and samples > 1,
        compression=one("compression", PLAIN),
        predictor=one("predictor", 1) if one("compression", PLAIN) in _DIFFERING else 1,
        reversed=one("fill", 1) == 2,
        orientation=one("orientation", 1),
        order=order,
        tiled=tiled,
        block=block,
        offsets=offsets,
        counts=numbers.get(f"{place}counts", np.empty(0, np.uint64)),
        colours=numbers.get("colours", np.empty(0, np.uint64)),
        subsampled=max(numbers.get("subsampling", np.full(1, 2)).tolist()) > 1,
        other_inks=one("inks", 1) != 1,
        more=more,
    )


def _tags(data: bytes) -> tuple[str, dict[str, NDArray[np.uint64]], bool]:
    """The order of bytes, the numbers of the tags that matter here, by name, and whether another page follows."""
    order, big = "<" if data[:2] == b"II" else ">", b"+" in data[2:4]
    place, size, count, entry = ("Q", 8, "Q", "HHQ8s") if big else ("I", 4, "H", "HHI4s")
    (start,) = struct.unpack_from(order + place, data, 8 if big else 4)
    (entries,) = struct.unpack_from(order + count, data, start)
    if entries > _MOST_ENTRIES:
        raise ValueError("too many tags")
    first, step = start + struct.calcsize("=" + count), struct.calcsize("=" + entry)
    names = {number: name for name, number in _TAGS.items()}
    found: dict[str, NDArray[np.uint64]] = {}
    for i in range(entries):
        tag, kind, length, value = struct.unpack_from(order + entry, data, first + i * step)
        if (name := names.get(tag)) is None or kind not in _TYPES or name in found or not length:
            continue
        form = np.dtype(order + _TYPES[kind])
        if length * form.itemsize <= size:
            found[name] = np.frombuffer(value, form, length).astype(np.uint64)
        else:
            (far,) = struct.unpack(order + place, value)
            found[name] = np.frombuffer(data, form, length, far).astype(np.uint64)
    (following,) = struct.unpack_from(order + place, data, first + entries * step)
    return order, found, bool(following)
