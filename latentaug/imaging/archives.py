"""Batches of images as npy, npz and zip: read with every bound checked before memory is allocated, and written.

Nothing is ever unpickled: arrays of Python objects are refused from their header.
"""

from __future__ import annotations

import csv
import io
import math
import re
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from latentaug.errors import InvalidInput, LatentaugError, MalformedInput, TooLarge
from latentaug.imaging.pixels import Limits, Pixels, decode_image, encode_png

MAX_ARRAYS = 16
MAX_NPY_HEADER = 2**14
"""Bytes; numpy itself takes 10,000."""
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
MANIFEST = "manifest.csv"
UNLABELLED_FOLDER = "unlabelled"
UNLABELLED_FOLDERS = {UNLABELLED_FOLDER, "unlabeled"}
"""Names, in any case, of folders whose images have no label, however deep below them they lie."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file in an archive that we write, so that the same images give the same bytes."""
_PASSED_OVER = {MANIFEST, "Thumbs.db", "desktop.ini"}
# zipfile raises the last for a file without a name.
_BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    NotImplementedError,
    OSError,
    ValueError,
    IndexError,
)
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


@dataclass(frozen=True)
class Folder:
    """The images of a zip.

    Attributes:
        images: each uint8 [h, w, 1 or 3]; sizes may differ.
        labels: the name of each image's folder, in which None stands for an image in the folder of the unlabelled; or
            None where the images lie in no folder.
        names: each image's path in the zip.
    """

    images: list[Pixels]
    labels: list[str | None] | None
    names: list[str]


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
        raise MalformedInput(
            f"the array holds {dtype}, which is never read because it may hold code; send numbers or strings"
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
    return _npy_head(array.shape, array.dtype) + array.tobytes()


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
        TooLarge: more than 16 arrays, or more bytes than `limits.max_bytes` once decompressed.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, content in _members(data, MAX_ARRAYS, limits.max_bytes, "npz"):
        if not name.endswith(".npy"):
            raise MalformedInput(f"{name[:80]!r} in the npz is not an npy array; write the npz with numpy.savez")
        arrays[name.removesuffix(".npy")] = read_npy(content, limits)
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
                file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return out.getvalue()


def read_zip(data: bytes, limits: Limits) -> Folder:
    """Read a zip of images. If they lie in folders, the name of the innermost folder is the image's label.

    An image below a folder `unlabelled` or `unlabeled` has no label.
    `manifest.csv` and files that operating systems leave behind (hidden files, `__MACOSX`, `Thumbs.db`) are ignored.
    Any other file that is not an image is an error.

    Raises:
        MalformedInput: not a zip, a path that leaves it, or an unreadable image (named).
        InvalidInput: no images, or some in folders and some not.
        TooLarge: over `limits`.
    """
    images: list[Pixels] = []
    names: list[str] = []
    decoded = 0
    for name, content in _members(data, limits.max_images + MAX_ARRAYS, limits.max_bytes, "zip"):
        path = PurePosixPath(name)
        if path.name in _PASSED_OVER or any(part.startswith(".") or part == "__MACOSX" for part in path.parts):
            continue
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise MalformedInput(f"{name[:80]!r} in the zip is not a PNG, JPEG or WebP image; leave it out")
        image = _decode_member(name, content, limits)
        decoded += image.size
        if len(images) == limits.max_images or decoded > limits.max_bytes:
            raise TooLarge(
                f"the zip holds more than {limits.max_images} images or {limits.max_bytes} bytes of pixels; send fewer"
            )
        images.append(image)
        names.append(name)
    return Folder(images, _folder_labels(names), names)


def write_zip(
    images: Iterable[Pixels], labels: Sequence[str | None] | None, manifest: Iterable[Mapping[str, object]]
) -> bytes:
    """Write images as PNG files in label folders, with `manifest.csv`: a `file` column, then each row's provenance.

    Images and rows are taken one by one, so that those of an iterator are never in memory together.

    Args:
        images: each uint8 [h, w, c].
        labels: each image's label, or None to put the images in no folder. Its folder is named after it, with "_" for
            characters that a system might misread and a number where two labels would share one. Images whose label
            is None lie in the folder `unlabelled`.
        manifest: one mapping per image, all with the same keys.
    """
    folders = folder_names(labels or [])
    out, lines = io.BytesIO(), io.BytesIO()
    table = io.TextIOWrapper(lines, "utf-8", newline="", write_through=True)
    writer = csv.writer(table, lineterminator="\n")
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for i, (image, row) in enumerate(zip(images, manifest, strict=True)):
            if i == 0:
                writer.writerow(["file", *row])
            name = f"{i:06d}.png" if labels is None else f"{folders[labels[i]]}/{i:06d}.png"
            text = {key: str(value) for key, value in row.items() if value is not None}
            archive.writestr(zipfile.ZipInfo(name, EPOCH), encode_png(image, text))
            writer.writerow([name, *row.values()])
        archive.writestr(zipfile.ZipInfo(MANIFEST, EPOCH), lines.getvalue() or b"file\n")
    return out.getvalue()


def _members(data: bytes, max_members: int, max_bytes: int, what: str) -> Iterator[tuple[str, bytes]]:
    """Names and contents of an archive's files. Every bound is checked before content is decompressed."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            if len(infos) > max_members:
                raise TooLarge(
                    f"the {what} holds {len(infos)} files, and at most {max_members} are accepted; leave some out"
                )
            if sum(info.file_size for info in infos) > max_bytes:
                raise TooLarge(f"the {what} unpacks to more than {max_bytes} bytes; send fewer or smaller files")
            for info in infos:
                _check_member_path(info.filename, what)
                with archive.open(info) as file:
                    # zipfile stops at the size that the directory claims, so the sum above bounds what is read.
                    yield info.filename, file.read()
    except _BROKEN_ZIP as error:
        raise MalformedInput(f"not a readable {what}: {error}") from error


def _check_member_path(name: str, what: str) -> None:
    if name.startswith("/") or "\\" in name or "\0" in name or ":" in name or ".." in PurePosixPath(name).parts:
        raise MalformedInput(f"the path {name[:80]!r} leads out of the {what}; use relative paths without '..'")


def _decode_member(name: str, content: bytes, limits: Limits) -> Pixels:
    try:
        return decode_image(content, limits)
    except LatentaugError as error:
        raise type(error)(f"{name[:80]!r}: {error.detail}") from error


def _folder_labels(names: Sequence[str]) -> list[str | None] | None:
    if not names:
        raise InvalidInput("the zip holds no images; put PNG, JPEG or WebP files into it, in one folder for each label")
    parents = [PurePosixPath(name).parent.name for name in names]
    if all(parents):
        return [None if is_unlabelled(name) else parent for name, parent in zip(names, parents, strict=True)]
    if any(parents):
        loose = names[parents.index("")]
        raise InvalidInput(
            f"{loose[:80]!r} lies in no folder, but other images do; put all images into label folders, or none"
        )
    return None


def is_unlabelled(name: str) -> bool:
    """Whether the path of an image leads through a folder of unlabelled images."""
    return any(folder.casefold() in UNLABELLED_FOLDERS for folder in PurePosixPath(name).parts[:-1])


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
