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
from latentaug.imaging.pixels import Limits, contact_sheet, decode, encode_png, fit
from tests.pictures import decode_image

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


FORMS = ["PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "MPO"]


@pytest.mark.parametrize("form", FORMS)
def test_every_format_is_read(form: str) -> None:
    smooth = np.stack([np.linspace(0, 255, 63).reshape(7, 9)] * 3, -1).astype(np.uint8)
    image = Image.fromarray(smooth)
    found = decode_image(_file(image.convert("CMYK") if form == "MPO" else image, form), LIMITS)
    assert np.abs(found.astype(int).mean(axis=-1) - smooth.mean(axis=-1)).mean() < 12


def test_a_progressive_jpeg_and_one_in_cmyk_are_as_any_other() -> None:
    plain = decode_image(_file(Image.fromarray(COLOUR), "JPEG", quality=98), LIMITS).astype(int)
    progressive = decode_image(_file(Image.fromarray(COLOUR), "JPEG", quality=98, progressive=True), LIMITS)
    ink = decode_image(_file(Image.fromarray(COLOUR).convert("CMYK"), "JPEG", quality=98), LIMITS)
    assert np.array_equal(progressive, plain)
    assert np.abs(ink - COLOUR.astype(int)).mean() < 12


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_taken_and_that_is_said(form: str) -> None:
    frames = [Image.fromarray(np.full((7, 9, 3), level, np.uint8)) for level in (40, 200)]
    options = {"lossless": True} if form == "WEBP" else {}
    many = decode(_file(frames[0], form, save_all=True, append_images=frames[1:], **options), LIMITS)
    assert many.frames
    assert not decode(_file(frames[0], form), LIMITS).frames
    assert (many.levels == 40).all()


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_stay_sixteen(form: str) -> None:
    values = np.array([[0, 4095, 65535]], np.uint16)
    assert decode(_file(Image.fromarray(values), form), LIMITS).levels[..., 0].tolist() == values.tolist()


def test_floats_and_long_integers_of_tiff_are_read_or_told() -> None:
    shares = Image.fromarray(np.array([[0, 0.5, 1]], np.float32))
    assert decode_image(_file(shares, "TIFF"), LIMITS)[0, :, 0].tolist() == [0, 128, 255]
    for values in (np.array([[0, 7.5]], np.float32), np.array([[0, 70_000]], np.int32), np.array([[-1, 5]], np.int32)):
        with pytest.raises(MalformedInput, match=r"^it holds .*values outside"):
            decode(_file(Image.fromarray(values), "TIFF"), LIMITS)


def test_a_grey_palette_is_grey_and_another_is_colour() -> None:
    assert decode_image(_file(Image.fromarray(GREY[..., 0]), "GIF"), LIMITS).tolist() == GREY.tolist()
    assert decode_image(_file(Image.fromarray(COLOUR).quantize(16), "PNG"), LIMITS).shape == (7, 9, 3)


def test_one_bit_is_black_and_white() -> None:
    image = Image.fromarray(GREY[..., 0] > 30)
    assert np.unique(decode_image(_file(image, "PNG"), LIMITS)).tolist() == [0, 255]


def test_sixteen_bit_grey_is_reduced_not_clipped() -> None:
    image = Image.fromarray(np.array([[0, 256 * 100, 65535]], np.uint16))
    assert decode_image(_file(image, "PNG"), LIMITS)[0, :, 0].tolist() == [0, 100, 255]


@pytest.mark.parametrize(
    ("drawn", "background"),
    [((10, 20, 30), "white"), ((255, 0, 0), "white"), ((255, 255, 255), "black"), ((240, 245, 250), "black")],
)
def test_transparency_is_laid_on_what_shows_the_drawing(drawn: tuple[int, int, int], background: str) -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (*drawn, 255))
    found = decode(_file(image, "PNG"), LIMITS)
    ground = 255 if background == "white" else 0
    assert found.background == background
    assert found.levels[0].tolist() == [[ground] * 3, list(drawn)]


def test_a_level_of_grey_may_be_transparent() -> None:
    drawing = Image.fromarray(np.where(GREY[..., 0] > 30, 255, 7).astype(np.uint8))
    found = decode(_file(drawing, "PNG", transparency=7), LIMITS)
    assert (found.background, np.unique(found.levels).tolist(), found.levels.shape) == ("black", [0, 255], (7, 9, 1))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_photo_with_broken_exif_data_is_read_as_it_lies() -> None:
    plain = _file(Image.fromarray(COLOUR), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(20))
    assert decode_image(plain, LIMITS).shape == (7, 9, 3)


def test_an_alpha_that_hides_nothing_and_one_that_hides_everything_do_no_harm() -> None:
    grey = Image.fromarray(np.dstack([GREY[..., 0], np.full((7, 9), 255, np.uint8)]), "LA")
    assert decode(_file(grey, "PNG"), LIMITS).levels.tolist() == GREY.tolist()
    assert decode(_file(grey, "PNG"), LIMITS).background is None
    assert (decode(_file(Image.new("RGBA", (3, 3), (9, 9, 9, 0)), "PNG"), LIMITS).levels == 255).all()


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


def _tiled_tiff(side: int) -> bytes:
    """A grey TIFF of 16x16 pixels in a single compressed tile that claims this side."""
    pixels = zlib.compress(bytes(16 * 16))
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side, 324: 8 + 2 + 12 * 10 + 4}
    tags[325] = len(pixels)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + pixels


def test_a_small_tiff_whose_tiles_are_large_is_refused_before_decoding() -> None:
    assert decode_image(_tiled_tiff(16), LIMITS).shape == (16, 16, 1)
    with pytest.raises(TooLarge, match="tiles"):
        decode_image(_tiled_tiff(20_000), LIMITS)


def test_a_cut_image_is_an_error_and_never_a_black_frame() -> None:
    data = _file(Image.fromarray(COLOUR), "JPEG")
    for cut in (0, 3, len(data) // 2, len(data) - 8):
        with pytest.raises(MalformedInput):
            decode_image(data[:cut], LIMITS)


@pytest.mark.parametrize("form", FORMS)
@given(position=st.integers(0, 300), value=st.integers(0, 255), cut=st.integers(0, 300))
def test_no_bytes_get_past_our_own_errors(form: str, position: int, value: int, cut: int) -> None:
    data = bytearray(_file(Image.fromarray(COLOUR), form))
    data[position % len(data)] = value
    try:
        decode_image(bytes(data[: len(data) - cut % 7]), LIMITS)
    except LatentaugError as error:
        assert error.status in (400, 413)


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


def _with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated, with the mark of the picture's end inside a comment before it."""
    data = _file(Image.new("L", (16, 16)), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[: -2 - len(last)] + b"\xff\xfe\x00\x06\xff\xd9\xff\xda" + last * count + data[-2:]


def test_a_jpeg_of_endless_scans_is_refused_before_decoding() -> None:
    assert decode_image(_with_scans(20), LIMITS).shape == (16, 16, 1)
    with pytest.raises(TooLarge, match="scans"):
        decode_image(_with_scans(1000), LIMITS)


def test_many_scans_count_as_more_pixels() -> None:
    usual, many = (decode(_with_scans(count), LIMITS).effort for count in (2, 60))

    assert usual == 16 * 16
    assert 5 * usual <= many <= 10 * usual


def test_what_follows_a_jpeg_is_none_of_its_scans() -> None:
    photo = _file(Image.new("L", (16, 16)), "JPEG", progressive=True, exif=b"Exif\0\0" + b"\xff\xda" * 200)
    assert decode_image(photo + b"film \xff\xda" * 1000, LIMITS).shape == (16, 16, 1)


def test_an_avif_of_no_frames_a_second_is_broken() -> None:
    data = _file(Image.new("L", (16, 16)), "AVIF", save_all=True, append_images=[Image.new("L", (16, 16), 9)])
    with pytest.raises(MalformedInput, match="broken"):
        decode(data.replace(b"mdhd", b"mdho"), LIMITS)


@pytest.mark.parametrize("compression", [2, 3, 4])
def test_a_broken_fax_writes_nothing_into_the_log(compression: int, capfd: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(0).bytes(4096)
    tags = [(256, 8), (257, 1000), (258, 1), (259, compression), (262, 0), (273, 122), (277, 1), (278, 1000),
            (279, len(noise))]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)

    decode(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + noise, LIMITS)

    assert capfd.readouterr() == ("", "")
