"""Reads folders of images: which files belong to a data set, and which are passed over.

The rules are those by which the service reads a zip; the service decides what is an image and what its label is.
"""

from __future__ import annotations

import io
import os
import stat
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

SYSTEM_FOLDERS = frozenset(
    ("__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found", "#recycle", "@recycle")
)
"""Names, in lower case, of folders that systems make. They are passed over, and so is what begins with a dot."""
SUFFIXES = frozenset(
    (
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".webp", ".avif"),
        *(".avifs", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
    )
)
"""Names of images that the service reads."""
OTHER_IMAGES = frozenset(
    (
        *(".heic", ".heif", ".hif", ".svg", ".psd", ".xcf", ".ico", ".jp2", ".j2k", ".jxl", ".tga", ".exr", ".hdr"),
        *(".eps", ".pcx", ".pbm", ".pgm", ".ppm", ".pnm", ".dcm"),
        *(".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2"),
    )
)
"""Names of images that it does not read, and so names in its answer."""
MANIFEST = "manifest.csv"
_HEADS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
_HEAD = 32  # bytes


@dataclass
class Folder:
    """The files of a folder.

    Attributes:
        images: image files by their paths in an upload, with "/" between folders; sorted by path.
        others: paths of files that are no images or lie in hidden or system folders. These folders stand for all that
            they hold, with "/" at their end.
    """

    images: dict[str, Path] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


def read_folder(folder: str | PathLike[str], unlabelled: str | PathLike[str] | None = None) -> Folder:
    """Find the images of a data set. Symbolic links are followed, each folder at most once on the way down.

    Args:
        folder: a folder of class folders; images below a folder `unlabelled` in it have no label.
        unlabelled: another folder, whose images have no label, or None.

    Raises:
        ValueError: there are no images, one folder lies inside the other, or two files would have one path.
    """
    found, root = _scan(Path(folder)), Path(folder)
    if unlabelled is None:
        return found
    more = Path(unlabelled)
    for inner, outer in ((more, root), (root, more)):
        if inner.resolve().is_relative_to(outer.resolve()):
            raise ValueError(f"{inner} lies inside {outer}, so its images would be sent twice; move it beside {outer}")
    beside = _scan(more)
    for path, file in beside.images.items():
        name = f"unlabelled/{path}"
        if name in found.images:
            raise ValueError(f"{file} and {found.images[name]} would both be {name}; rename one of them")
        found.images[name] = file
    found.others += [f"unlabelled/{path}" for path in beside.others]
    return found


def content(path: Path) -> bytes:
    """The bytes of a file; none for a link to nothing."""
    return path.read_bytes() if path.is_file() else b""


def zipped(folder: Folder, read: Callable[[Path], bytes] = content) -> bytes:
    """A zip of the images of a folder, each as `read` gives it.

    What was passed over is in it by name alone, and a link to nothing as one, for the service to name.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # images are compressed already
        for name, path in folder.images.items():
            member, data = (_member(name), read(path)) if path.exists() else _link_to_nothing(name)
            archive.writestr(member, data)
        for name in folder.others:
            archive.writestr(_member(f"{name}..." if name.endswith("/") else name), b"")
    return out.getvalue()


def _link_to_nothing(name: str) -> tuple[zipfile.ZipInfo, bytes]:
    """A link of a zip that leads nowhere in it."""
    member = _member(name)
    member.create_system, member.external_attr = 3, (stat.S_IFLNK | 0o777) << 16  # as Unix has links
    return member, b"/nothing"


def _member(name: str) -> zipfile.ZipInfo:
    """A file of a zip, with a fixed time: those of some files cannot be written."""
    return zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))


def _scan(folder: Path) -> Folder:
    found = Folder()
    for name, path, hidden in sorted(_walk(folder, "", ())):
        if not hidden and _is_image(path):
            if name in found.images:
                raise ValueError(f"{found.images[name]} and {path} have the same name but for accents; rename one")
            found.images[name] = path
        elif path.name != MANIFEST:
            found.others.append(name)
    if not found.images:
        beside = f", only {', '.join(found.others[:5])}" if found.others else ""
        raise ValueError(f"{folder} holds no images{beside}; give a folder that does")
    return found


def _walk(folder: Path, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, Path, bool]]:
    """The files below a folder: name in an upload, path, and whether it is passed over. `above` are folders on the way.

    A hidden or system folder is one entry, with "/" at the end of its name.
    """
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:  # a link to a folder that it lies in
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + unicodedata.normalize("NFC", os.fsencode(entry.name).decode("utf-8", "replace"))
            hidden = entry.name.startswith(".") or entry.name.casefold() in SYSTEM_FOLDERS
            path = folder / entry.name
            if not entry.is_dir():
                yield name, path, hidden
            elif hidden:
                yield f"{name}/", path, True
            else:
                yield from _walk(path, f"{name}/", (*above, here))


def _is_image(path: Path) -> bool:
    """Whether a file is meant to be an image: by its name or else by its first bytes."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES or suffix in OTHER_IMAGES:
        return True
    if not path.is_file():  # a link to nothing, a socket
        return False
    with path.open("rb") as file:
        return is_known_head(file.read(_HEAD))


def is_known_head(head: bytes) -> bool:
    """Whether a file's first bytes are those of an image that the service reads."""
    riff = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return riff or head[4:12] == b"ftypavif" or head.startswith(_HEADS)
