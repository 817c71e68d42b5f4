"""Archives that hold more than they claim: refused, or read as far as they claim, in little memory."""

from __future__ import annotations

import io
import stat
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from latentaug.errors import LatentaugError, MalformedInput, TooLarge
from latentaug.imaging.archives import read_npz
from latentaug.imaging.pixels import Limits
from latentaug.imaging.zips import read_zip

LIMITS = Limits(max_images=1_000_000, max_bytes=2**30)
MEBIBYTE = 2**20
HELD = 256 * MEBIBYTE
CLAIMED = 1000

Read = Callable[[bytes, Limits], object]


@contextmanager
def little_memory(most: int = 8 * MEBIBYTE) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most


def archive(name: bytes, packed: bytes, claimed: int, crc: int, *, entries: int = 1, method: int = 8) -> bytes:
    """A zip of one file, that its directory lists so many times."""
    both = struct.pack("<5H3I2H", 20, 0, method, 0, 0, crc, len(packed), claimed, len(name), 0)
    local = b"PK\3\4" + both + name + packed
    entry = b"PK\1\2" + struct.pack("<H", 20) + both + bytes(14) + name
    listed = min(entries, 0xFFFF)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, listed, listed, entries * len(entry), len(local), 0)
    return local + entry * entries + end


def zeros() -> bytes:
    """`HELD` zeros as Deflate packs them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join([*(packer.compress(bytes(MEBIBYTE)) for _ in range(HELD // MEBIBYTE)), packer.flush()])


@pytest.mark.parametrize("crc", [zlib.crc32(bytes(CLAIMED)), 0], ids=["of what it claims", "wrong"])
@pytest.mark.parametrize(("read", "name"), [(read_zip, b"cat/1.png"), (read_zip, b"a"), (read_npz, b"images.npy")])
def test_a_file_that_holds_more_than_it_claims_is_read_no_further(read: Read, name: bytes, crc: int) -> None:
    data = archive(name, zeros(), CLAIMED, crc)

    with little_memory(), pytest.raises(LatentaugError):
        read(data, LIMITS)


@pytest.mark.parametrize(("read", "name"), [(read_zip, b"cat/1.png"), (read_npz, b"images.npy")])
def test_a_file_that_claims_more_than_it_holds_costs_what_it_holds(read: Read, name: bytes) -> None:
    data = archive(name, zlib.compress(bytes(CLAIMED), wbits=-15), 2**29, zlib.crc32(bytes(CLAIMED)))

    with little_memory(), pytest.raises(LatentaugError):
        read(data, LIMITS)


def test_what_is_no_image_is_not_unpacked_even_if_it_is_large() -> None:
    packed = zeros()
    data = archive(b"readme.txt", packed, HELD, zlib.crc32(bytes(HELD)))

    with little_memory(), pytest.raises(LatentaugError, match="no images"):
        read_zip(data, LIMITS)


@pytest.mark.parametrize("read", [read_zip, read_npz])
def test_a_directory_of_endless_empty_files_is_not_even_read(read: Read) -> None:
    data = archive(b"a", b"", 0, 0, entries=300_000)

    with little_memory(), pytest.raises(TooLarge, match="leave some out"):
        read(data, LIMITS)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize(("read", "name"), [(read_zip, "cat/1.png"), (read_npz, "images.npy")])
def test_a_method_that_cannot_be_bounded_is_refused(read: Read, name: str, method: int) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        made.writestr(name, bytes(64 * MEBIBYTE))

    with little_memory(), pytest.raises(MalformedInput, match="Deflate"):
        read(out.getvalue(), LIMITS)


def test_a_link_is_read_no_further_than_a_link_can_be_long() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        link = zipfile.ZipInfo("link.png")
        link.external_attr, link.compress_type = (stat.S_IFLNK | 0o777) << 16, zipfile.ZIP_DEFLATED
        made.writestr(link, b"a" * 64 * MEBIBYTE)
    data = out.getvalue()

    with little_memory(), pytest.raises(LatentaugError):
        read_zip(data, LIMITS)


@pytest.mark.parametrize(
    "name", ["a/" * 30_000 + "1.png", "a/" * 100 + "1.png", "e" + "\u0301\u0323" * 10_000 + ".png", "a" * 3000 + ".png"]
)
def test_names_that_are_too_long_or_too_deep_are_refused(name: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for i in range(20):
            made.writestr(f"{i}{name}", b"")
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, "elsewhere")

    with little_memory(), pytest.raises(MalformedInput):
        read_zip(out.getvalue(), LIMITS)


@pytest.mark.parametrize("entries", [2, 1000])
def test_files_that_share_their_bytes_are_refused(entries: int) -> None:
    with pytest.raises(MalformedInput, match="overlap"):
        read_zip(archive(b"cat/1.png", bytes(100), 100, 0, entries=entries, method=0), LIMITS)


def test_a_directory_that_points_past_the_end_is_refused() -> None:
    data = bytearray(archive(b"1.png", bytes(100), 100, 0, method=0))
    place = data.index(b"PK\1\2") + 42
    data[place : place + 4] = struct.pack("<I", 2**31)

    with pytest.raises(MalformedInput):
        read_zip(bytes(data), LIMITS)


@pytest.mark.parametrize("field", [20, 24], ids=["packed", "unpacked"])
def test_zip64_sizes_that_lie_allocate_nothing(field: int) -> None:
    data = bytearray(archive(b"1.png", bytes(100), 100, 0, method=0))
    entry = data.index(b"PK\1\2")
    extra = struct.pack("<HHQ", 1, 8, 2**62)
    data[entry + field : entry + field + 4] = b"\xff" * 4
    data[entry + 30 : entry + 32] = struct.pack("<H", len(extra))
    data[entry + 46 + 5 : entry + 46 + 5] = extra
    end = data.index(b"PK\5\6")
    data[end + 12 : end + 16] = struct.pack("<I", end - entry)

    with little_memory(), pytest.raises(LatentaugError):
        read_zip(bytes(data), LIMITS)
