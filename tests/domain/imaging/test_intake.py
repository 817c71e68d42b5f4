"""Images of 16 bits on one scale, and what is told about how images were read."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from latentaug.errors import InvalidInput
from latentaug.imaging.depth import eight_bit, scale_told, used_bits
from latentaug.imaging.intake import Intake
from latentaug.imaging.pixels import Limits


def _deep(*values: int) -> np.ndarray:
    return np.array(values, np.uint16).reshape(1, -1, 1)


@pytest.mark.parametrize(
    ("largest", "bits"), [(0, 8), (255, 8), (256, 10), (1023, 10), (4095, 12), (4096, 14), (16384, 16), (65535, 16)]
)
def test_as_few_bits_are_taken_as_hold_all_values(largest: int, bits: int) -> None:
    images = [_deep(0, largest), _deep(0)]

    assert used_bits(images) == bits
    assert int(eight_bit(images)[0].max()) == round(largest * 255 / (2**bits - 1))


def test_all_images_have_one_scale_and_those_of_8_bits_stay_as_they_are() -> None:
    plain = np.full((1, 1, 1), 200, np.uint8)

    faint, bright, same = eight_bit([_deep(819), _deep(4095), plain])

    assert (int(faint[0, 0, 0]), int(bright[0, 0, 0])) == (51, 255)
    assert np.array_equal(same, plain)


def test_the_bits_may_be_given_and_the_answer_says_which_were_taken() -> None:
    assert int(eight_bit([_deep(4095)], 16)[0].max()) == 16
    assert "0 to 65535 became 0 to 255 (as asked)" in scale_told([_deep(4095)], 16)[0]
    assert "0 to 4095 became 0 to 255 (the range that they use" in scale_told([_deep(4095)])[0]
    assert scale_told([np.zeros((1, 1, 1), np.uint8)]) == []
    with pytest.raises(InvalidInput, match="set bits=12"):
        eight_bit([_deep(4095)], 10)


def _deep_png(values: np.ndarray, **clear: tuple[int, ...]) -> bytes:
    """A PNG of 16 bits, which Pillow cannot write in colour; uint16 [h, w, 1 to 4]."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2]]

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0))
    hidden = b"".join(chunk(b"tRNS", struct.pack(f">{len(colour)}H", *colour)) for colour in clear.values())
    return b"\x89PNG\r\n\x1a\n" + header + hidden + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _taken(*files: bytes) -> Intake:
    intake = Intake(Limits())
    for i, data in enumerate(files):
        intake.take(f"{i}.png", data)
    return intake


COLOUR = np.arange(27, dtype=np.uint16).reshape(3, 3, 3) * 9


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("factor", "bits"), [(257, 16), (64, 14), (16, 12), (1, 8)])
def test_values_of_16_bits_are_scaled_by_their_range_whatever_the_colour(channels: int, factor: int, bits: int) -> None:
    solid = np.full((3, 3, 1), 65535, np.uint16)
    deep = (255 - COLOUR[..., : 1 if channels < 3 else 3]) * np.uint16(factor)

    intake = _taken(_deep_png(np.dstack([deep, solid]) if channels in (2, 4) else deep))

    (levels,) = intake.images()
    assert np.array_equal(levels, deep)
    assert intake.warnings() == []
    assert used_bits([levels]) == bits
    assert "1 image of 16 bits" in scale_told([levels])[0]
    assert np.abs(eight_bit([levels], bits)[0] - deep * (255 / (2**bits - 1))).max() <= 0.5


def test_a_transparent_image_of_16_bits_is_laid_on_the_white_of_its_range() -> None:
    red = np.array([[[4095, 0, 0, 65535], [9, 9, 9, 0]]], np.uint16)
    hidden = np.array([[[4095, 0, 0], [7, 8, 9]]], np.uint16)
    black = np.array([[[65535], [0]]], np.uint16)

    intake = _taken(_deep_png(red), _deep_png(hidden, clear=(7, 8, 9)), _deep_png(black, clear=(0,)))

    first, second, third = intake.images()
    assert first.tolist() == second.tolist() == [[[4095, 0, 0], [4095, 4095, 4095]]]
    assert third.tolist() == [[[65535], [0]]], "a white drawing is laid on black"
    assert len(intake.warnings()) == 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_colour_is_turned_as_its_exif_says(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    plain = _file(Image.fromarray(COLOUR.astype(np.uint8)), "PNG", exif=exif)
    at = plain.index(b"eXIf") - 4
    chunk = plain[at : at + 12 + int.from_bytes(plain[at : at + 4], "big")]
    deep = _deep_png(COLOUR)
    place = deep.index(b"IDAT") - 4

    turned, same = _taken(deep[:place] + chunk + deep[place:], plain).images()

    assert np.array_equal(turned, same)


def _file(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def test_what_was_left_of_images_is_told_with_their_names() -> None:
    frame = Image.new("RGB", (8, 8), "red")
    intake = Intake(Limits())
    intake.take("film.gif", _file(frame, "GIF", save_all=True, append_images=[Image.new("RGB", (8, 8), "blue")]))
    intake.take("icon.png", _file(Image.new("RGBA", (8, 8), (255, 255, 255, 128)), "PNG"))
    intake.take("logo.png", _file(Image.new("RGBA", (8, 8), (200, 0, 0, 128)), "PNG"))
    intake.take("plain.png", _file(frame, "PNG"))

    told = intake.warnings()

    assert [("film.gif" in line, "icon.png" in line, "logo.png" in line) for line in told] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    assert "the first was taken" in told[0]
    assert "black" in told[1]
    assert "white (logo.png)" in told[2]
