"""A few bytes of each form that would unfold to very many: refused, in little time and memory."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from latentaug.errors import LatentaugError
from latentaug.imaging.archives import read_npy, read_npz
from latentaug.imaging.pixels import Limits, decode
from latentaug.imaging.zips import read_zip
from service.api.http import media
from service.api.http.bodies import read_images
from service.api.http.forms import read_form
from service.oip import messages as oip
from tests.domain.imaging.zips import zipped
from tests.fuzz import files
from tests.fuzz.decoders import DECODERS
from tests.fuzz.mutation import little_memory, tried

pytestmark = pytest.mark.slow
LIMITS = Limits()  # those of the service
MEBIBYTE = 2**20
Read = Callable[[bytes], object]


def image(data: bytes) -> object:
    return decode(data, LIMITS)


def form(data: bytes) -> object:
    return read_images(media.MULTIPART, asyncio.run(read_form(data, files.FORM, LIMITS)), LIMITS)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, pixels: bytes, *before: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0))
    return b"".join([b"\x89PNG\r\n\x1a\n", head, *before, chunk(b"IDAT", pixels), chunk(b"IEND", b"")])


def zeros(size: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(bytes(MEBIBYTE)) for _ in range(size // MEBIBYTE)), packer.flush()])


def header(kind: str, width: int, height: int) -> bytes:
    """An image file whose header claims another size."""
    data = bytearray(files.IMAGES[kind])
    if kind == "gif":
        data[6:10] = struct.pack("<2H", width, height)
        at = data.index(b"\x2c")
        data[at + 5 : at + 9] = struct.pack("<2H", width, height)
    elif kind == "bmp":
        data[18:26] = struct.pack("<2i", width, height)
    elif kind == "webp":
        at = data.index(b"\x9d\x01\x2a") + 3
        data[at : at + 4] = struct.pack("<2H", min(width, 16383), min(height, 16383))
    elif kind == "avif":
        at = data.index(b"ispe") + 8
        data[at : at + 8] = struct.pack(">2I", width, height)
    elif kind == "jpeg":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">2H", min(height, 65535), min(width, 65535))
    return bytes(data)


def tiff(**tags: int) -> bytes:
    """A TIFF with some of its tags set to other values."""
    plain = files.saved(Image.new("L", (16, 16)), "TIFF")
    data, names = bytearray(plain), {"width": 256, "height": 257, "rows": 278, "counts": 279}
    start = struct.unpack("<I", data[4:8])[0]
    for i in range(struct.unpack("<H", data[start : start + 2])[0]):
        at = start + 2 + 12 * i
        tag = struct.unpack("<H", data[at : at + 2])[0]
        for name, number in names.items():
            if number == tag and name in tags:
                data[at + 2 : at + 12] = struct.pack("<HII", 4, 1, tags[name])
    return bytes(data)


def many_frames(kind: str) -> bytes:
    frames = [Image.new("L", (64, 64), i % 250) for i in range(500)]
    return files.saved(frames[0], kind, save_all=True, append_images=frames[1:])


def npz_of(size: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("images.npy", "w") as file:
        file.write(files.npy(np.empty((0, 28, 28), np.uint8))[:128])
        for _ in range(size // MEBIBYTE):
            file.write(bytes(MEBIBYTE))
    return out.getvalue()


def npy_of(shape: str, descr: str = "|u1") -> bytes:
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head


def nested_zip(depth: int) -> bytes:
    data = zipped({"a/0.png": bytes(MEBIBYTE)})
    for i in range(depth):
        data = zipped({f"{n}/{i}.zip": data for n in range(10)})
    return data


def frame(shape: list[int], size: int) -> bytes:
    entry: dict[str, Any] = {"name": "images", "datatype": "UINT8", "shape": shape}
    entry["parameters"] = {"binary_data_size": size}
    return json.dumps({"inputs": [entry]}).encode()


PARTS = b"".join(
    f'--{files.BOUNDARY}\r\nContent-Disposition: form-data; name="x{i}"\r\n\r\n1\r\n'.encode() for i in range(50_000)
)
FILE = f'--{files.BOUNDARY}\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n1\r\n'.encode()
BOMBS: dict[str, tuple[Read, Callable[[], bytes]]] = {
    "PNG that claims much": (image, lambda: png(50_000, 50_000, zeros(MEBIBYTE))),
    "PNG with more pixels than it claims": (image, lambda: png(16, 16, zeros(512 * MEBIBYTE))),
    "PNG with a packed text": (
        image,
        lambda: png(16, 16, zlib.compress(bytes(272)), chunk(b"zTXt", b"a\0\0" + zeros(512 * MEBIBYTE))),
    ),
    "PNG with a packed profile": (
        image,
        lambda: png(16, 16, zlib.compress(bytes(272)), chunk(b"iCCP", b"a\0\0" + zeros(512 * MEBIBYTE))),
    ),
    "PNG of endless chunks": (image, lambda: png(16, 16, zlib.compress(bytes(272)), chunk(b"tEXt", b"a\0b") * 200_000)),
    "GIF that claims much": (image, lambda: header("gif", 65535, 65535)),
    "GIF of many frames": (image, lambda: many_frames("GIF")),
    "BMP that claims much": (image, lambda: header("bmp", 60_000, 60_000)),
    "WebP that claims much": (image, lambda: header("webp", 16383, 16383)),
    "WebP of many frames": (image, lambda: many_frames("WEBP")),
    "JPEG that claims much": (image, lambda: header("jpeg", 65535, 65535)),
    "AVIF that claims much": (image, lambda: header("avif", 16384, 16384)),
    "TIFF that claims much": (image, lambda: tiff(width=2**31 - 1, height=2**31 - 1)),
    "TIFF with a strip of endless bytes": (image, lambda: tiff(counts=2**32 - 1)),
    "TIFF with many rows in a strip": (image, lambda: tiff(rows=2**32 - 1)),
    "TIFF of many pages": (image, lambda: many_frames("TIFF")),
    "npy that claims much": (lambda data: read_npy(data, LIMITS), lambda: npy_of("(100000, 100000, 3)")),
    "npy of endless sides": (lambda data: read_npy(data, LIMITS), lambda: npy_of("(" + "1," * 4000 + ")")),
    "npy of long texts": (lambda data: read_npy(data, LIMITS), lambda: npy_of("(5,)", "<U999999999")),
    "npy nested deeply": (lambda data: read_npy(data, LIMITS), lambda: npy_of("(" * 5000 + ")" * 5000)),
    "npz of zeros": (lambda data: read_npz(data, LIMITS), lambda: npz_of(1024 * MEBIBYTE)),
    "zip of zips": (lambda data: read_zip(data, LIMITS), lambda: nested_zip(3)),
    "zip of PNGs that claim much": (
        lambda data: read_zip(data, LIMITS),
        lambda: zipped({f"a/{i}.png": png(4096, 4096, zeros(16 * MEBIBYTE)) for i in range(40)}),
    ),
    "form of many fields": (form, lambda: PARTS + f"--{files.BOUNDARY}--\r\n".encode()),
    "form of a long header": (form, lambda: f"--{files.BOUNDARY}\r\nX: ".encode() + b"a" * (8 * MEBIBYTE)),
    "form of many files": (
        form,
        lambda: FILE * 100_000 + f"--{files.BOUNDARY}--\r\n".encode(),
    ),
    "IDX, packed": (DECODERS["idx"].reads["IDX"], lambda: gzip.compress(bytes(1024 * MEBIBYTE))),
    "JSON nested deeply": (lambda data: read_images(media.JSON, data, LIMITS), lambda: b'{"images":' + b"[" * MEBIBYTE),
    "JSON of many values": (
        lambda data: read_images(media.JSON, data, LIMITS),
        lambda: b'{"images":[' + b'"",' * MEBIBYTE + b'""]}',
    ),
    "JSON of long numbers": (
        lambda data: read_images(media.JSON, data, LIMITS),
        lambda: b'{"images":[' + b"9" * MEBIBYTE + b"]}",
    ),
    "frame that claims much": (
        lambda data: oip.parse_request(data, str(len(data))),
        lambda: frame([2**31, 2**31], 2**62),
    ),
    "frame of endless sides": (lambda data: oip.parse_request(data, str(len(data))), lambda: frame([1] * 100_000, 1)),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_costs_little(bomb: str) -> None:
    read, make = BOMBS[bomb]
    data = make()
    assert len(data) < 32 * MEBIBYTE

    with little_memory(160 * MEBIBYTE):
        tried(f"bomb: {bomb}", lambda: read(data))


def test_what_claims_too_much_is_refused_and_not_only_cheap() -> None:
    for bomb in (name for name in BOMBS if "claims much" in name and not name.startswith("zip")):
        read, make = BOMBS[bomb]
        with pytest.raises(LatentaugError):
            read(make())
