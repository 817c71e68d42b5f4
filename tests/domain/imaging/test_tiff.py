"""TIFFs: each kind is read to the level, or refused by its name."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np
import pytest
import tifffile
from PIL import Image

from latentaug.errors import MalformedInput, TooLarge
from latentaug.imaging.depth import eight_bit
from latentaug.imaging.intake import Intake
from latentaug.imaging.pixels import Limits, decode

LIMITS = Limits(max_images=10, max_pixels=10_000, max_bytes=100_000)
HEIGHT, WIDTH = 21, 37
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
SHARES = np.stack([(np.sin(COLUMNS / 9 + i) + np.cos(ROWS / 7 + 2 * i) + 2) / 4 for i in range(6)], -1)
"""Smooth channels of 0..1, float64 [h, w, 6]."""
LARGEST = {"u1": 255, "u2": 65535, "u4": 65535, "i2": 32767, "i4": 65535, "f2": 1, "f4": 1, "f8": 1}
"""Of each type of samples, what stands for white here."""
SCALES = {"u1": 255, "f2": 1, "f4": 1, "f8": 1}
MEANINGS = {
    "minisblack": (1, ()),
    "miniswhite": (1, ()),
    "rgb": (3, ()),
    "separated": (4, ()),
    "rgb and another": (4, ("unspecified",)),
    "rgb among others": (6, ("unspecified", "unassalpha", "unspecified")),
    "minisblack and others": (3, ("unspecified", "unspecified")),
    "minisblack and alpha": (2, ("unassalpha",)),
    "rgb and alpha": (4, ("unassalpha",)),
    "rgb times alpha": (4, ("assocalpha",)),
}
UNKNOWN = {"miniswhite", "separated", "rgb among others", "minisblack and alpha", "rgb and alpha", "rgb times alpha"}
"""What is refused of numbers of which nothing says how large they can be."""


def written(data: np.ndarray, **how: object) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, data, **how)  # type: ignore[arg-type]
    return out.getvalue()


def read(data: bytes, bits: int | None = None) -> np.ndarray:
    levels = decode(data, LIMITS).levels
    return eight_bit([levels], bits if levels.dtype == np.uint16 else None)[0]  # type: ignore[arg-type]


def stored(kind: str, meaning: str) -> tuple[np.ndarray, np.ndarray]:
    """Samples of this type and meaning, [h, w, c], and the image that they show, uint8 [h, w, 1 or 3]."""
    channels, extra = MEANINGS[meaning]
    shares = SHARES[..., :channels].copy()
    colour = 3 if meaning.startswith("rgb") else 1
    for i, name in enumerate(extra):
        if name.endswith("alpha"):
            shares[..., colour + i] = 1
    samples = (shares * LARGEST[kind]).astype(kind)
    levels = np.rint(samples.astype(np.float64) * 255 / SCALES.get(kind, 65535))
    if meaning == "miniswhite":
        levels = 255 - levels
    if meaning == "separated":
        return samples, np.rint((255 - levels[..., :3]) * (255 - levels[..., 3:]) / 255)
    return samples, levels[..., :colour]


def ways(compressions: Mapping[str | None, tuple[object, ...]]) -> Iterator[dict[str, object]]:
    """The ways to store the same samples."""
    for compression, predictors in compressions.items():
        for predictor, order, block in product(predictors, "<>", ({}, {"rowsperstrip": 5}, {"tile": (16, 32)})):
            yield {"compression": compression, "predictor": predictor, "byteorder": order, **block}


def check_all_ways(kind: str, meaning: str, compressions: Mapping[str | None, tuple[object, ...]]) -> None:
    samples, shown = stored(kind, meaning)
    extra = MEANINGS[meaning][1]
    unknown = kind in ("i2", "i4", "u4") and meaning in UNKNOWN
    for way, planar in product(ways(compressions), ("contig", "separate")):
        how = {**way, "photometric": meaning.partition(" ")[0], "extrasamples": extra or None}
        if samples.shape[-1] > 1:
            how["planarconfig"] = planar
        data = written(np.moveaxis(samples, -1, 0) if planar == "separate" else samples, **how)
        if unknown:
            with pytest.raises(MalformedInput, match=f"a TIFF of {8 * int(kind[1])}-bit numbers .*save it as 8 or 16"):
                decode(data, LIMITS)
            continue
        found = read(data, 16)
        assert found.shape == shown.shape, how
        tolerance = 2 if meaning == "separated" else 1 if meaning in ("miniswhite", "rgb times alpha") else 0
        assert np.abs(found - shown).max() <= tolerance, how


@pytest.mark.parametrize("meaning", MEANINGS)
@pytest.mark.parametrize("kind", LARGEST)
def test_every_kind_is_read_to_the_level_however_it_is_stored(kind: str, meaning: str) -> None:
    check_all_ways(kind, meaning, {None: (None,), "zlib": (None, *([True] if kind[0] != "f" else []))})


@pytest.mark.slow
@pytest.mark.parametrize("meaning", MEANINGS)
@pytest.mark.parametrize("kind", LARGEST)
def test_every_kind_is_read_to_the_level_however_it_is_compressed(kind: str, meaning: str) -> None:
    pytest.importorskip("imagecodecs", reason="writes compressed TIFFs: pip install -e '.[slow]'")
    packed = dict.fromkeys(("lzw", "zlib", "zstd", "lzma"), (None, True))
    check_all_ways(kind, meaning, {"packbits": (None,), **packed})


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("order", "<>")
def test_a_bigtiff_is_read_like_any_other(bigtiff: bool, order: str) -> None:
    grey = (SHARES[..., 0] * 65535).astype(np.uint16)
    data = written(grey, photometric="minisblack", bigtiff=bigtiff, byteorder=order)

    assert np.array_equal(decode(data, LIMITS).levels[..., 0], grey)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_floats_of_files_are_what_floats_of_arrays_are(kind: str) -> None:
    dim = (SHARES[..., :1] / 5).astype(kind)

    found = decode(written(dim[..., 0], photometric="minisblack"), LIMITS).levels

    assert found.dtype == np.uint8
    assert np.array_equal(found, np.rint(dim.astype(np.float64) * 255))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.1, 7.5])
def test_floats_of_another_range_are_refused(wrong: float) -> None:
    data = written(np.array([[0, wrong]], np.float32), photometric="minisblack")
    with pytest.raises(MalformedInput, match=r"floating-point values outside 0\.\.1"):
        decode(data, LIMITS)


def by_hand(rows: bytes, width: int, height: int, **tags: int) -> bytes:
    """A TIFF of one strip, with these tags by their numbers."""
    numbers = {256: width, 257: height, 259: 1, 262: 1, 277: 1, 278: height, 279: len(rows)}
    numbers |= {int(tag[1:]): value for tag, value in tags.items()}
    numbers[273] = 8 + 2 + 12 * (len(numbers) + 1) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(numbers.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(numbers)) + entries + bytes(4) + rows


@pytest.mark.parametrize("bits", [*range(1, 8), 10, 12, 14])
def test_packed_samples_are_spread_by_as_many_bits_as_they_have(bits: int) -> None:
    values = (SHARES[..., 0] * (2**bits - 1)).astype(np.uint32)
    split = values[..., None] >> np.arange(bits)[::-1] & 1
    rows = np.packbits(split.reshape(HEIGHT, -1), axis=-1)  # each begins with a byte of its own

    found = read(by_hand(rows.tobytes(), WIDTH, HEIGHT, t258=bits))

    assert np.array_equal(found[..., 0], np.rint(values * 255 / (2**bits - 1)))


def test_bytes_with_their_bits_in_reverse_order_are_turned() -> None:
    grey = (SHARES[..., 0] * 255).astype(np.uint8)
    backwards = np.packbits(np.unpackbits(grey[..., None], axis=-1, bitorder="little"), axis=-1)
    rows = backwards.tobytes()

    assert np.array_equal(read(by_hand(rows, WIDTH, HEIGHT, t258=8, t266=2))[..., 0], grey)
    packed = np.packbits(np.unpackbits(np.frombuffer(zlib.compress(grey.tobytes()), np.uint8), bitorder="little"))
    assert np.array_equal(read(by_hand(packed.tobytes(), WIDTH, HEIGHT, t258=8, t259=8, t266=2))[..., 0], grey)


def test_a_palette_gives_its_colours_and_a_grey_one_grey() -> None:
    indices = (SHARES[..., 0] * 255).astype(np.uint8)
    colours = np.random.default_rng(0).integers(0, 65536, (3, 256)).astype(np.uint16)
    greys = np.tile(np.arange(256, dtype=np.uint16) * 257, (3, 1))

    found = read(written(indices, photometric="palette", colormap=colours))

    assert np.array_equal(found, (colours >> 8).T[indices])
    assert np.array_equal(read(written(indices, photometric="palette", colormap=greys))[..., 0], indices)
    assert np.array_equal(read(written(indices, photometric="palette", colormap=greys >> 8))[..., 0], indices)


@pytest.mark.parametrize("mode", ["YCbCr", "LAB", "CMYK"])
def test_other_colour_becomes_what_pillow_makes_of_it(mode: str) -> None:
    plain = Image.fromarray((SHARES[..., :3] * 255).astype(np.uint8))
    image = Image.merge("LAB", plain.split()) if mode == "LAB" else plain.convert(mode)
    out = io.BytesIO()
    image.save(out, "TIFF")

    assert np.array_equal(read(out.getvalue()), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("orientation", range(10))
def test_an_orientation_turns_a_tiff_as_it_turns_a_png(orientation: int) -> None:
    image, exif = Image.fromarray((SHARES[..., :3] * 255).astype(np.uint8)), Image.Exif()
    exif[274] = orientation
    tiff, png = io.BytesIO(), io.BytesIO()
    image.save(tiff, "TIFF", tiffinfo={274: orientation})
    image.save(png, "PNG", exif=exif)

    assert np.array_equal(read(tiff.getvalue()), read(png.getvalue()))


def test_half_transparent_colour_of_16_bits_is_laid_on_white() -> None:
    colour = np.zeros((2, 2, 4), np.uint16)
    colour[0] = [65535, 0, 0, 65535]
    colour[1] = [65535, 0, 0, 32768]

    found = decode(written(colour, photometric="rgb", extrasamples=["unassalpha"]), LIMITS)

    assert found.background == "white"
    assert eight_bit([found.levels])[0][:, 0].tolist() == [[255, 0, 0], [255, 127, 127]]


def test_samples_beside_colour_are_left_and_that_is_said() -> None:
    spectrum = (SHARES[..., :5] * 255).astype(np.uint8)
    intake = Intake(LIMITS)
    intake.take("spectrum.tif", written(spectrum, photometric="minisblack", planarconfig="contig"))
    intake.take("plain.tif", written(spectrum[..., 0], photometric="minisblack"))

    assert np.array_equal(*intake.images())
    assert intake.warnings() == ["1 image with more than grey or colour in each pixel: that was left (spectrum.tif)."]


NAMED = {
    "complex numbers": {"data": SHARES[..., 0].astype(np.complex64), "photometric": "minisblack"},
    "8-bit numbers with a sign": {"data": (SHARES[..., 0] * 99).astype(np.int8), "photometric": "minisblack"},
    "16-bit Lab colour": {"data": (SHARES[..., :3] * 9999).astype(np.uint16), "photometric": "cielab"},
    "ICC Lab colour": {"data": (SHARES[..., :3] * 255).astype(np.uint8), "photometric": "icclab"},
    "the raw values of a camera": {"data": (SHARES[..., 0] * 9999).astype(np.uint16), "photometric": "cfa"},
    "a mask": {"data": (SHARES[..., 0] * 255).astype(np.uint8), "photometric": "mask"},
}


@pytest.mark.parametrize("kind", NAMED)
def test_a_kind_that_is_not_read_is_called_by_its_name(kind: str) -> None:
    with pytest.raises(MalformedInput, match=f"a TIFF of {kind}, which is not read; save it as 8 or 16 bits"):
        decode(written(**NAMED[kind]), LIMITS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({"t258": 24, "t339": 3}, "24-bit floats"),
        ({"t258": 20}, "20-bit numbers"),
        ({"t258": 8, "t262": 6, "t277": 3}, "YCbCr colour with fewer samples"),
        ({"t258": 8, "t262": 5, "t277": 4, "t332": 2}, "other inks than CMYK"),
        ({"t258": 8, "t262": 2}, "colour with 1 of the 3 samples"),
        ({"t258": 16, "t259": 7}, "16-bit grey compressed by JPEG"),
        ({"t258": 8, "t262": 2, "t277": 3, "t259": 7, "t284": 2}, "compressed by JPEG in separate planes"),
        ({"t258": 8, "t259": 34712}, "compressed by JPEG 2000"),
        ({"t258": 8, "t259": 99}, "compressed of the kind 99"),
        ({"t258": 12, "t259": 8, "t317": 2}, "differences of 12-bit numbers"),
        ({"t258": 8, "t262": 77}, "colour of the kind 77"),
    ],
)
def test_so_is_one_that_no_program_at_hand_writes(tags: dict[str, int], kind: str) -> None:
    with pytest.raises(MalformedInput, match=f"a TIFF of .*{kind}.*; save it as"):
        decode(by_hand(bytes(1000), 8, 8, **tags), LIMITS)


def test_what_is_packed_wrongly_is_broken_and_never_black() -> None:
    grey = (SHARES[..., 0] * 65535).astype(np.uint16)
    whole = written(grey, photometric="minisblack", compression="zlib", rowsperstrip=5)
    start = struct.unpack("<I", whole[4:8])[0]
    for data in (by_hand(b"\xff" * 900, 20, 20, t258=8, t259=5), whole[:-30], whole[: start + 9]):
        with pytest.raises(MalformedInput, match="broken"):
            decode(data, LIMITS)


@pytest.mark.parametrize(
    ("tags", "rule"),
    [
        ({"t258": 64, "t277": 30}, "bytes"),
        ({"t258": 8, "t277": 2**31}, "bytes"),
        ({"t258": 64, "t259": 8}, "strips"),
        ({"t322": 1000, "t323": 1000, "t324": 8, "t325": 8}, "tiles"),
        ({"t322": 1, "t323": 9999, "t324": 8, "t325": 8}, "tiles"),
    ],
)
def test_what_claims_much_is_refused_before_memory_is_taken(tags: dict[str, int], rule: str) -> None:
    with pytest.raises(TooLarge, match=rule):
        decode(by_hand(bytes(100), 100, 100, **tags), LIMITS)


def test_a_block_of_one_of_several_planes_counts_as_that_alone() -> None:
    colour = np.zeros((3, 100, 100), np.uint16)
    data = written(colour, photometric="rgb", planarconfig="separate", compression="zlib", rowsperstrip=100)

    assert decode(data, LIMITS).levels.shape == (100, 100, 3)


def test_strips_that_lie_over_each_other_are_refused() -> None:
    many = written(np.zeros((100, 100), np.uint8), photometric="minisblack", compression="zlib", rowsperstrip=1)
    lengths = next(iter(tifffile.TiffFile(io.BytesIO(many)).pages)).tags[279]
    data = bytearray(many)
    size = {3: 2, 4: 4}[int(lengths.dtype)]
    data[lengths.valueoffset : lengths.valueoffset + 100 * size] = b"\xff" * size * 100
    with pytest.raises(MalformedInput, match="over each other"):
        decode(bytes(data), LIMITS)
