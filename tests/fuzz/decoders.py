"""Every reader of bytes that come from outside, and real files of the form that it reads."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np

from latentaug.datasets import mnist, penfiles
from latentaug.errors import Unavailable
from latentaug.imaging.archives import read_npy, read_npz
from latentaug.imaging.arrays import to_uint8
from latentaug.imaging.depth import eight_bit
from latentaug.imaging.pixels import Limits, decode
from latentaug.imaging.zips import read_zip, unpack_zip
from service.api.http import media
from service.api.http.bodies import read_dataset, read_images
from service.api.http.forms import read_form
from service.api.http.latents import read_latents
from service.oip import messages as oip
from tests.fuzz import files

LIMITS = Limits(max_images=64, max_pixels=2**20, max_bytes=2**22)
Read = Callable[[bytes], object]


@dataclass(frozen=True)
class Decoder:
    """Real files of one form, and everything that reads it, by what is counted for it."""

    seeds: Mapping[str, bytes]
    reads: Mapping[str, Read]


def headed(head: str | None, body: bytes) -> bytes:
    """A body below the header that says how to read it, so that both can be broken; an empty one is none."""
    return (head or "").encode("latin-1") + b"\n" + body


def _parted(data: bytes) -> tuple[str | None, bytes]:
    head, _, body = data.partition(b"\n")
    return head.decode("latin-1") or None, body


def _form(data: bytes) -> object:
    head, body = _parted(data)
    return read_images(media.MULTIPART, asyncio.run(read_form(body, head or "", LIMITS)), LIMITS)


def _request(data: bytes) -> object:
    head, body = _parted(data)
    return oip.parse_request(body, head)


def _answer(data: bytes) -> object:
    head, body = _parted(data)
    return oip.parse_response(body, head)


def _unpacked(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        inside = Path(folder) / "zip"
        inside.mkdir()
        unpack_zip(data, inside)
        assert list(Path(folder).iterdir()) == [inside]


def _idx(data: bytes) -> None:
    """Files of MNIST's are taken only if their checksum is right, so all others count as missing."""
    with TemporaryDirectory() as folder, patch.object(mnist, "MIRRORS", ()), suppress(Unavailable):
        for name in (_MNIST, f"{_MNIST}.gz"):
            (Path(folder) / name).write_bytes(data)
        mnist._read(_MNIST, [Path(folder)])
        raise AssertionError("bytes with another checksum were taken")


def _images(kind: str) -> Decoder:
    seeds = {name: data for name, data in files.IMAGES.items() if kind in name}
    assert seeds
    return Decoder(seeds, {kind: lambda data: eight_bit([decode(data, LIMITS).levels])})


_MNIST = "t10k-labels-idx1-ubyte"
_PLAIN_IDX = b"\0\0\x08\x01\0\0\x27\x10" + np.zeros(10_000, np.uint8).tobytes()

DECODERS = {
    "npy": Decoder(
        files.NPY,
        {
            "npy": lambda data: to_uint8(read_npy(data, LIMITS), LIMITS),
            "npy of latents": lambda data: read_latents(media.NPY, data, 4, LIMITS),
        },
    ),
    "npz": Decoder(
        files.NPZ,
        {
            "npz": lambda data: read_npz(data, LIMITS),
            "npz of a request": lambda data: read_images(media.NPZ, data, LIMITS),
            "npz of latents": lambda data: read_latents(media.NPZ, data, 4, LIMITS),
        },
    ),
    "zip": Decoder(
        files.ZIPS,
        {
            "zip": lambda data: read_zip(data, LIMITS),
            "zip of a data set": lambda data: read_dataset(media.ZIP, data, LIMITS, skip_bad=False, size=None),
            "zip, resized": lambda data: read_dataset(media.ZIP, data, LIMITS, skip_bad=True, size=(8, 16)),
            "zip, unpacked": _unpacked,
        },
    ),
    **{kind: _images(kind) for kind in ("png", "jpeg", "webp", "gif", "tiff", "bmp", "avif", "mpo")},
    "multipart": Decoder(
        {name: headed(files.FORM, data) for name, data in files.FORMS.items()},
        {"multipart": _form},
    ),
    "json": Decoder(
        files.JSONS,
        {
            "json": lambda data: read_images(media.JSON, data, LIMITS),
            "json of latents": lambda data: read_latents(media.JSON, data, 4, LIMITS),
        },
    ),
    "frames": Decoder(
        {str(i): headed(*frame) for i, frame in enumerate(files.FRAMES)},
        {"request of the protocol": _request, "answer of the protocol": _answer},
    ),
    "ujipen": Decoder(
        {"1": files.STROKES_1, "2": files.STROKES_2},
        {
            "UJIPEN, version 1": lambda data: penfiles.read_version_1(data, "x"),
            "UJIPEN, version 2": lambda data: penfiles.read_version_2(data, "x"),
        },
    ),
    "idx": Decoder({"plain": _PLAIN_IDX, "packed": gzip.compress(_PLAIN_IDX)}, {"IDX": _idx}),
}
