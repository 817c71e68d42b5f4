"""Images of 16 bits on one scale, and what is told about how images were read."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from latentaug.errors import InvalidInput, MalformedInput
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


def _png_of_deep_colour(values: np.ndarray) -> bytes:
    """A PNG with 16 bits of each colour, which Pillow cannot write; uint16 [h, w, 3]."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_deep_colour_is_read_by_its_upper_bits_unless_nothing_shows_in_them() -> None:
    colour = np.arange(27, dtype=np.uint16).reshape(3, 3, 3) * 9
    intake = Intake(Limits())
    intake.take("full.png", _png_of_deep_colour(colour * 257))
    assert np.array_equal(intake.images()[0], colour)

    dark = Intake(Limits())
    dark.take("sensor.png", _png_of_deep_colour(colour * 16))
    with pytest.raises(MalformedInput, match=r"sensor\.png; save them with 8 bits"):
        dark.images()


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
