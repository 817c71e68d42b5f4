"""Images: what is read, what is refused, how they are made to fit a model."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from latentaug.errors import InvalidInput, LatentaugError, MalformedInput, TooLarge
from latentaug.imaging.arrays import to_uint8
from latentaug.imaging.pixels import Limits, contact_sheet, decode_image, encode_png, fit

LIMITS = Limits(max_images=10, max_pixels=10_000, max_bytes=100_000)
GREY = np.arange(63, dtype=np.uint8).reshape(7, 9, 1)
COLOUR = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)


def _file(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize("image", [GREY, COLOUR])
def test_a_png_comes_back_as_it_went(image: np.ndarray) -> None:
    assert np.array_equal(decode_image(encode_png(image), LIMITS), image)


def test_png_text_carries_provenance() -> None:
    data = encode_png(GREY, {"source": "3", "label": "ñ"})
    assert Image.open(io.BytesIO(data)).text == {"source": "3", "label": "ñ"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_jpeg_and_webp_are_read(form: str) -> None:
    assert decode_image(_file(Image.fromarray(COLOUR), form), LIMITS).shape == (7, 9, 3)


def test_sixteen_bit_grey_is_reduced_not_clipped() -> None:
    image = Image.fromarray(np.array([[0, 256 * 100, 65535]], np.uint16))
    assert decode_image(_file(image, "PNG"), LIMITS)[0, :, 0].tolist() == [0, 100, 255]


def test_transparency_is_laid_on_white() -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (10, 20, 30, 255))
    assert decode_image(_file(image, "PNG"), LIMITS)[0].tolist() == [[255, 255, 255], [10, 20, 30]]


def test_a_photo_is_turned_as_its_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side
    assert decode_image(_file(Image.fromarray(COLOUR), "JPEG", exif=exif), LIMITS).shape == (9, 7, 3)


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [101, 10_000, 12_000, 100_000])
def test_a_header_that_claims_too_many_pixels_is_refused_before_decoding(side: int) -> None:
    with pytest.raises(TooLarge):
        decode_image(_png_header(side, side), LIMITS)


def test_a_cut_image_is_an_error_and_never_a_black_frame() -> None:
    data = _file(Image.fromarray(COLOUR), "JPEG")
    for cut in (0, 3, len(data) // 2, len(data) - 8):
        with pytest.raises(MalformedInput):
            decode_image(data[:cut], LIMITS)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@given(position=st.integers(0, 300), value=st.integers(0, 255), cut=st.integers(0, 300))
def test_no_bytes_get_past_our_own_errors(form: str, position: int, value: int, cut: int) -> None:
    data = bytearray(_file(Image.fromarray(COLOUR), form))
    data[position % len(data)] = value
    try:
        decode_image(bytes(data[: len(data) - cut % 7]), LIMITS)
    except LatentaugError as error:
        assert error.status in (400, 413)


def test_floats_in_0_to_1_are_rounded_to_256_levels() -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8)
    assert to_uint8(values, LIMITS).ravel().tolist() == np.rint(values.ravel().astype(float) * 255).tolist()


@pytest.mark.parametrize(
    ("batch", "error"),
    [
        (np.zeros((0, 8, 8), np.uint8), InvalidInput),
        (np.zeros((8, 8), np.uint8), InvalidInput),
        (np.zeros((2, 8, 8, 2), np.uint8), InvalidInput),
        (np.zeros((2, 8, 8), np.int64), InvalidInput),
        (np.full((2, 8, 8), 1.01, np.float32), InvalidInput),
        (np.full((2, 8, 8), np.nan, np.float32), InvalidInput),
        (np.zeros((11, 8, 8), np.uint8), TooLarge),
        (np.zeros((1, 200, 200), np.uint8), TooLarge),
    ],
)
def test_a_wrong_batch_is_refused(batch: np.ndarray, error: type[LatentaugError]) -> None:
    with pytest.raises(error):
        to_uint8(batch, LIMITS)


def test_another_size_is_refused_with_the_size_that_is_taken() -> None:
    with pytest.raises(InvalidInput, match="8x8"):
        fit([GREY], 8, 8, 1, resize=False)


def test_resizing_keeps_the_aspect_and_pads_with_the_border_colour() -> None:
    wide = np.full((10, 20, 3), 200, np.uint8)
    wide[3:7, 5:15] = 0
    fitted = fit([wide], 20, 20, 3, resize=True)[0]
    assert fitted.shape == (20, 20, 3)
    assert (fitted[:4] == 200).all()
    assert (fitted[9:11, 8:12] < 10).all()


def test_colour_is_converted_both_ways() -> None:
    red = np.zeros((1, 8, 8, 3), np.uint8)
    red[..., 0] = 255
    assert (fit(red, 8, 8, 1, resize=False) == 76).all()
    grey = np.full((1, 8, 8, 1), 9, np.uint8)
    assert (fit(grey, 8, 8, 3, resize=False) == 9).all()
    assert fit(grey, 8, 8, 3, resize=False).shape == (1, 8, 8, 3)


def test_a_contact_sheet_shows_each_image_where_it_belongs() -> None:
    first, second = np.full((4, 4, 1), 10, np.uint8), np.full((4, 4, 1), 20, np.uint8)
    sheet = contact_sheet([[first, second], [second]], scale=2, gap=1)
    assert sheet.shape == (19, 19, 1)
    assert (sheet[1:9, 1:9] == 10).all()
    assert (sheet[1:9, 10:18] == 20).all()
    assert (sheet[10:18, 1:9] == 20).all()
    assert (sheet[10:18, 10:18] == 128).all()
