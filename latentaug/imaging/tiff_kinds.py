"""Which kinds of TIFF are read, and what the others are called.

A kind that is not here is refused, as what is taken for another kind shows something else than it is.
"""

from __future__ import annotations

from latentaug.errors import MalformedInput
from latentaug.imaging.tiff_tags import (
    CMYK,
    COLOURS,
    LAB,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    PALETTE,
    RGB,
    SAVE,
    YCBCR,
    Page,
)

_FAX, _JPEG = {2, 3, 4}, {6, 7}
_PACKINGS = {34712: "by JPEG 2000", 34887: "by LERC", 34933: "by PNG", 34934: "by JPEG XR", 50001: "by WebP"}
_PACKINGS |= {50002: "by JPEG XL", 52546: "by JPEG XL"}
_NAMES = {MIN_IS_WHITE: "grey of which the least is white", MIN_IS_BLACK: "grey", RGB: "colour", PALETTE: "palette"}
_NAMES |= {CMYK: "CMYK", YCBCR: "YCbCr colour", LAB: "Lab colour"}
_MEANINGS = {
    4: "a mask",
    9: "ICC Lab colour",
    10: "ITU Lab colour",
    32803: "the raw values of a camera",
    32844: "LogL light",
    32845: "LogLuv colour",
    34892: "the raw values of a camera",
}


def check_kind(page: Page) -> None:
    """Refuse a TIFF of a kind that is not read.

    Raises:
        MalformedInput: names the kind.
    """
    if kind := _not_read(page):
        raise MalformedInput(f"a TIFF of {kind}, which is not read; {SAVE}")


def _not_read(page: Page) -> str | None:
    """What a TIFF is whose kind is not read, in words; None if it is."""
    bits, photometric = page.bits, page.photometric
    if photometric not in COLOURS:
        return _MEANINGS.get(photometric, f"colour of the kind {photometric}")
    eight = bits == 8 and page.form == "whole"
    if numbers := _unusual_numbers(page):
        return numbers
    if photometric in (YCBCR, LAB) and not eight:
        return f"{bits}-bit {_NAMES[photometric]}"
    if photometric == PALETTE and (page.form != "whole" or bits > 16):
        return f"a palette of {bits} bits"
    if photometric == PALETTE and page.alpha is not None and not eight:
        return f"a palette of {bits} bits with transparency"
    if photometric == CMYK and page.other_inks:
        return "other inks than CMYK"
    if page.samples < COLOURS[photometric]:
        return f"colour with {page.samples} of the {COLOURS[photometric]} samples that it needs"
    if page.of_bytes:
        return _unusual_bytes(page)
    usual = eight and not page.separate
    if page.compression in _FAX and bits == page.samples == 1 and photometric in (MIN_IS_WHITE, MIN_IS_BLACK):
        return None
    if page.compression in _JPEG and usual and photometric in (MIN_IS_WHITE, MIN_IS_BLACK, RGB, CMYK, YCBCR):
        return None
    names = {**dict.fromkeys(_FAX, "as a fax"), **dict.fromkeys(_JPEG, "by JPEG"), **_PACKINGS}
    packing = names.get(page.compression, f"of the kind {page.compression}")
    return f"{bits}-bit {_NAMES[photometric]} compressed {packing}{' in separate planes' if page.separate else ''}"


def _unusual_bytes(page: Page) -> str | None:
    """What is unusual in how the bytes stand for samples; None if nothing is."""
    if page.photometric == YCBCR and page.subsampled:
        return "YCbCr colour with fewer samples of colour than of light"
    whole_bytes = page.bits in (8, 16, 32, 64)
    if page.predictor == 2 and not whole_bytes:
        return f"differences of {page.bits}-bit numbers"
    if page.predictor == 3 and page.form != "float":
        return "whole numbers packed as if they were floats"
    return None if page.predictor in (1, 2, 3) else f"predictor {page.predictor}"


def _unusual_numbers(page: Page) -> str | None:
    """What is unusual in the samples as numbers; None if nothing is."""
    bits = page.bits
    if page.form == "float":
        return None if bits in (16, 32, 64) else f"{bits}-bit floats"
    name = f"{bits}-bit numbers" + (" with a sign" if page.form == "signed" else "")
    if bits not in (16, 32, 64) and (page.form == "signed" or not 1 <= bits < 16):
        return name
    if page.form == "whole" and bits <= 16:
        return None
    if page.alpha is not None:  # nothing says which of these numbers hides all, or which stands for white
        return f"{name} with transparency"
    return f"{name} as {_NAMES[page.photometric]}" if page.photometric in (MIN_IS_WHITE, CMYK) else None
