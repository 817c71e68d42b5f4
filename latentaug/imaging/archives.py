"""Arrays as npy and npz, read with every bound checked before memory is allocated, and written; images written as zip.

Nothing is ever unpickled: arrays of Python objects are refused from their header.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from latentaug.errors import MalformedInput, TooLarge
from latentaug.imaging.formats import HEAD, kind
from latentaug.imaging.growing import PIECE, Growing
from latentaug.imaging.layout import MANIFEST, TALLY, UNLABELLED_FOLDER, UNLABELLED_FOLDERS
from latentaug.imaging.pixels import Limits, Pixels, encode_png
from latentaug.imaging.spreadsheets import cells

MAX_ARRAYS = 32
MAX_NPY_HEADER = 2**14
"""Bytes; numpy itself takes 10,000."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file in an archive that we write, so that the same images give the same bytes."""
_ENCRYPTED = 1
"""Bit of a zip file's flags."""
_DIRECTORY_ENTRY = b"PK\1\2"
"""What each entry of a zip's directory begins with."""
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""Those that `zipfile` decompresses in pieces; of others 1.6 KB may become 4 GB at once."""
BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    NotImplementedError,
    OSError,
    ValueError,
    IndexError,
)
"""What `zipfile` raises for bytes that are no zip; the last for a file without a name."""
# numpy falls back on the tokenizer for headers that Python 2 wrote, hence the last.
_BROKEN_HEADER = (
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    EOFError,
    RecursionError,
    MemoryError,
    UserWarning,
    tokenize.TokenError,
)


def read_npy(data: bytes, limits: Limits) -> NDArray[np.generic]:
    """Read one npy array, as a read-only view of `data` where its order allows.

    Raises:
        MalformedInput: not npy, cut short, trailing bytes, or an array of Python objects.
        TooLarge: more bytes than `limits.max_bytes`.
    """
    prefix = npy.MAGIC_LEN + (2 if data[npy.MAGIC_LEN - 2 : npy.MAGIC_LEN - 1] == b"\x01" else 4)
    start = prefix + int.from_bytes(data[npy.MAGIC_LEN : prefix], "little")
    try:
        shape, fortran_order, dtype = _npy_header(data[: min(start, MAX_NPY_HEADER)])
    except _BROKEN_HEADER as error:
        raise MalformedInput("not an npy array; write it with numpy.save(file, array, allow_pickle=False)") from error
    if dtype.hasobject or dtype.kind not in "biufUS":
        why = ", which is never read because it may hold code" if dtype.hasobject else ""
        raise MalformedInput(
            f"the array holds {dtype}{why}; send numbers or texts: labels.astype(str) for labels, with '' where "
            "there is none, and images of one size as one uint8 array, or of several as a zip"
        )
    size = math.prod(shape) * dtype.itemsize
    if size > limits.max_bytes:
        raise TooLarge(
            f"the array holds {size} bytes, and at most {limits.max_bytes} are accepted; send fewer or smaller images"
        )
    if len(shape) > 8 or any(side < 0 for side in shape) or size != len(data) - start:
        raise MalformedInput(
            f"an npy header that claims {list(shape)} of {dtype} does not fit the bytes that follow it"
        )
    flat = np.frombuffer(data, dtype, count=math.prod(shape), offset=start) if size else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if fortran_order else "C")


@lru_cache(maxsize=256)
def _npy_header(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Read shape, order and type from an npy array's first bytes.

    Results are kept: callers send the same header again and again, and reading it takes longer than a small array.
    """
    stream = io.BytesIO(head)
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise MalformedInput(
            f"npy version {version[0]}.{version[1]} is not accepted; write version 1.0, as numpy.save does"
        )
    return (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(stream)


def write_npy(array: NDArray[np.generic]) -> bytes:
    """Write one array as npy 1.0."""
    return b"".join((_npy_head(array.shape, array.dtype), _bytes_of(array)))


@lru_cache(maxsize=256)
def _npy_head(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> bytes:
    """The npy header of a C-ordered array; kept, because writing it takes longer than a small array."""
    if dtype.hasobject:
        raise ValueError("arrays of Python objects are never written")
    out = io.BytesIO()
    npy.write_array_header_1_0(out, {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape})
    return out.getvalue()


def read_npz(data: bytes, limits: Limits) -> dict[str, NDArray[np.generic]]:
    """Read the arrays of an npz (compressed or not), by name.

    Raises:
        MalformedInput: not an npz, or one of its arrays is malformed.
        TooLarge: more than 32 arrays, or more bytes than `limits.max_bytes` once decompressed.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    with opened(data, "npz", MAX_ARRAYS) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        check_sizes(infos, MAX_ARRAYS, limits.max_bytes, "npz")
        limits.room(sum(info.file_size for info in infos))
        for info in infos:
            name = info.filename
            if not name.endswith(".npy"):
                raise MalformedInput(f"{name[:80]!r} in the npz is not an npy array; write the npz with numpy.savez")
            try:
                arrays[name.removesuffix(".npy")] = read_npy(unpacked(archive, info), limits)
            except MalformedInput as error:
                raise MalformedInput(f"{name.removesuffix('.npy')[:80]!r} in the npz: {error.detail}") from error
    return arrays


def write_npz(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Write arrays as an uncompressed npz, the same bytes for the same arrays."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            head = _npy_head(array.shape, array.dtype)
            member.file_size = len(head) + array.nbytes
            with archive.open(member, "w") as file:  # straight from the array: a copy could be a gigabyte
                file.write(head)
                file.write(_bytes_of(array))
    return out.getvalue()


def _bytes_of(array: NDArray[np.generic]) -> memoryview:
    """An array's bytes in C order, without a copy where they lie so."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def write_zip(
    images: Iterable[Pixels],
    labels: Sequence[str | None] | None,
    manifest: Iterable[Mapping[str, object]],
    tally: Mapping[str, object] | None = None,
    **how: Any,
) -> bytes:
    """The zip of `zip_in_pieces`, whole."""
    return b"".join(zip_in_pieces(images, labels, manifest, tally, **how))


def zip_in_pieces(
    images: Iterable[Pixels],
    labels: Sequence[str | None] | None,
    manifest: Iterable[Mapping[str, object]],
    tally: Mapping[str, object] | None = None,
    *,
    first: int = 0,
    folders: Mapping[str | None, str] | None = None,
) -> Iterator[bytes]:
    """Write images as PNG files in label folders, with `manifest.csv`: a `file` column, then each row's provenance.

    Images and rows are taken one by one, so that those of an iterator are never in memory together.

    Args:
        images: each uint8 [h, w, c].
        labels: each image's label, or None to put the images in no folder. Its folder is named after it, with "_" for
            characters that a system might misread and a number where two labels would share one. Images whose label
            is None lie in the folder `unlabelled`.
        manifest: one mapping per image, all with the same keys.
        tally: what became of the images that were wanted, for `tally.json`; or None.
        first: number of the first image in the name of its file; where images are in several zips, no two have one.
        folders: of `folder_names` of the labels of all zips; None for that of these labels.

    Yields:
        The bytes of the zip, piece by piece.
    """
    folders = folder_names(labels or []) if folders is None else folders
    out, lines = Growing(), io.BytesIO()
    table = io.TextIOWrapper(lines, "utf-8", newline="", write_through=True)
    writer = csv.writer(table, lineterminator="\n")
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for i, (image, row) in enumerate(zip(images, manifest, strict=True)):
            if i == 0:
                writer.writerow(["file", *row])
            file = f"{first + i:06d}.png"
            name = file if labels is None else f"{folders[labels[i]]}/{file}"
            text = {key: str(value) for key, value in row.items() if value is not None}
            archive.writestr(zipfile.ZipInfo(name, EPOCH), encode_png(image, text))
            writer.writerow([name, *cells(row).values()])
            yield from out.take(PIECE)
        archive.writestr(zipfile.ZipInfo(MANIFEST, EPOCH), lines.getvalue() or b"file\n")
        if tally is not None:
            archive.writestr(zipfile.ZipInfo(TALLY, EPOCH), json.dumps(tally))
    yield from out.take()


@contextmanager
def opened(data: bytes, what: str, most: int) -> Iterator[zipfile.ZipFile]:
    """Open a zip, or an npz; whatever is found to be broken in the block is malformed input.

    Raises:
        TooLarge: there may be more than `most` entries in its directory, which `zipfile` reads whole.
        MalformedInput: it is no zip, or is broken.
    """
    if data.count(_DIRECTORY_ENTRY) > most:
        raise _too_many(most, what)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield archive
    except BROKEN_ZIP as error:
        reason: object = error
        if not data.startswith(b"PK"):
            reason = f"it is {kind(data[:HEAD]) or 'something else'}; pack the files as {what}"
        elif not zipfile.is_zipfile(io.BytesIO(data)):
            reason = "its end is missing, so it was not written or copied whole; make or fetch it again"
        raise MalformedInput(f"not a readable {what}: {reason}") from error


def check_sizes(infos: Sequence[zipfile.ZipInfo], most: int, max_bytes: int, what: str) -> None:
    """Check the bounds on an archive's files before any is decompressed.

    `unpacked` stops at the size that the directory claims, so their sum bounds what is read.

    Raises:
        TooLarge: more files than `most`, or more bytes than `max_bytes`.
        MalformedInput: a file is protected by a password, or compressed in a way that cannot be bounded.
    """
    if len(infos) > most:
        raise _too_many(most, what)
    if sum(info.file_size for info in infos) > max_bytes:
        raise TooLarge(f"the {what} unpacks to more than {max_bytes} bytes; send fewer or smaller files")
    if any(info.flag_bits & _ENCRYPTED for info in infos):
        raise MalformedInput(f"the {what} is protected by a password; send it without one")
    if any(info.compress_type not in _METHODS for info in infos):
        raise MalformedInput(
            f"files in the {what} are compressed by an uncommon method; pack them again by the usual one, Deflate"
        )


def unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int | None = None) -> bytes:
    """The content of a file in an archive, or its first bytes, at most as many as the directory claims.

    `ZipFile.read` would decompress all that is there, however little is claimed, before it cuts that off.
    """
    with archive.open(info) as file:
        return file.read(info.file_size if most is None else min(most, info.file_size))


def _too_many(most: int, what: str) -> TooLarge:
    return TooLarge(f"the {what} holds more than {most} files, which is the most that is accepted; leave some out")


def folder_names(labels: Sequence[str | None]) -> dict[str | None, str]:
    """The folder of each label: the label itself, changed if it might be misread. No two labels share one."""
    names: dict[str | None, str] = {None: UNLABELLED_FOLDER}
    taken = set(UNLABELLED_FOLDERS)
    for label in dict.fromkeys(label for label in labels if label is not None):
        name = wanted = re.sub(r"[^\w .+-]", "_", label).strip(". ")[:100] or "_"
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{wanted}-{number}"
        taken.add(name.casefold())
        names[label] = name
    return names
