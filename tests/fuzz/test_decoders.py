"""Broken files of every form that is read: each is read or refused, in little time and memory."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentaug.datasets import mnist, penfiles
from latentaug.errors import Unavailable
from latentaug.imaging.archives import read_npy, read_npz
from latentaug.imaging.arrays import to_uint8
from latentaug.imaging.depth import eight_bit
from latentaug.imaging.pixels import Limits, decode
from latentaug.imaging.zips import read_zip
from service.api.http import media
from service.api.http.bodies import read_dataset, read_images
from service.api.http.forms import read_form
from service.api.http.latents import read_latents
from service.oip import messages as oip
from tests.fuzz import files
from tests.fuzz.mutation import broken, fuzzed, tried

pytestmark = pytest.mark.slow
LIMITS = Limits(max_images=64, max_pixels=2**20, max_bytes=2**22)


@fuzzed
@given(data=broken(files.NPY))
def test_npy(data: bytes) -> None:
    tried("npy", lambda: to_uint8(read_npy(data, LIMITS), LIMITS))
    tried("npy of latents", lambda: read_latents(media.NPY, data, 4, LIMITS))


@fuzzed
@given(data=broken(files.NPZ))
def test_npz(data: bytes) -> None:
    tried("npz", lambda: read_npz(data, LIMITS))
    tried("npz of a request", lambda: read_images(media.NPZ, data, LIMITS))
    tried("npz of latents", lambda: read_latents(media.NPZ, data, 4, LIMITS))


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "tiff", "bmp", "avif", "mpo"])
def test_images(kind: str) -> None:
    seeds = {name: data for name, data in files.IMAGES.items() if kind in name}
    assert seeds

    @fuzzed
    @given(data=broken(seeds))
    def check(data: bytes) -> None:
        tried(kind, lambda: eight_bit([decode(data, LIMITS).levels]))

    check()


@fuzzed
@given(data=broken(files.ZIPS), skip_bad=st.none() | st.booleans(), size=st.none() | st.just((8, 16)))
def test_zips(data: bytes, skip_bad: bool | None, size: tuple[int, int] | None) -> None:
    tried("zip", lambda: read_zip(data, LIMITS, skip_bad=skip_bad, size=size))
    tried("zip of a data set", lambda: read_dataset(media.ZIP, data, LIMITS, skip_bad=bool(skip_bad), size=size))


@fuzzed
@given(
    data=broken(files.FORMS),
    form=st.just(files.FORM) | broken({"": files.FORM.encode()}).map(lambda b: b.decode("latin-1")),
)
def test_multipart(data: bytes, form: str) -> None:
    def read() -> object:
        return read_images(media.MULTIPART, asyncio.run(read_form(data, form, LIMITS)), LIMITS)

    tried("multipart", read)


@fuzzed
@given(data=broken(files.JSONS))
def test_json(data: bytes) -> None:
    tried("json", lambda: read_images(media.JSON, data, LIMITS))
    tried("json of latents", lambda: read_latents(media.JSON, data, 4, LIMITS))


@fuzzed
@given(data=st.data())
def test_frames_of_the_open_inference_protocol(data: Any) -> None:
    length, whole = data.draw(st.sampled_from(files.FRAMES))
    body = data.draw(broken({"": whole}))
    said = data.draw(st.just(length) | st.none() | st.integers(-2, 2 * len(whole)).map(str) | st.text(max_size=4))

    tried("request of the protocol", lambda: oip.parse_request(body, said))
    tried("answer of the protocol", lambda: oip.parse_response(body, said))


@fuzzed
@given(data=broken({"1": files.STROKES_1, "2": files.STROKES_2}))
def test_files_of_ujipen(data: bytes) -> None:
    tried("UJIPEN, version 1", lambda: penfiles.read_version_1(data, "x"))
    tried("UJIPEN, version 2", lambda: penfiles.read_version_2(data, "x"))


def test_files_of_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """IDX files are taken only if their checksum is right, so all others count as missing."""
    monkeypatch.setattr(mnist, "MIRRORS", ())
    name = "t10k-labels-idx1-ubyte"
    plain = b"\0\0\x08\x01\0\0\x27\x10" + np.zeros(10_000, np.uint8).tobytes()

    @fuzzed
    @given(data=broken({"plain": plain, "packed": gzip.compress(plain)}))
    def check(data: bytes) -> None:
        def read() -> object:
            for suffix in ("", ".gz"):
                (tmp_path / f"{name}{suffix}").write_bytes(data)
            with pytest.raises(Unavailable):
                mnist._read(name, [tmp_path])
            return None

        tried("IDX", read)

    check()
