"""Zips of images: read as folders are, whichever program wrote them."""

from __future__ import annotations

import posixpath
import re
import stat
import struct
import sys
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from latentaug.errors import InvalidInput, MalformedInput, NotStored, TooLarge
from latentaug.imaging.archives import check_sizes, opened, unpacked
from latentaug.imaging.depth import Levels
from latentaug.imaging.formats import HEAD, READ, is_image, is_known_head, is_read
from latentaug.imaging.intake import Intake, Size, Unreadable, listed_unreadable, unsupported
from latentaug.imaging.layout import arrange, listed, passed_over, told_passed_over
from latentaug.imaging.pixels import Limits

MOST_OTHER_FILES = 1000
"""Files besides images that a zip may hold, or as many as images if that is more."""
MOST_UNPACKED, MOST_UNPACKED_BYTES = 200_000, 16 * 2**30
"""Most files and bytes that are unpacked on a person's own machine."""
_LEAST_BYTES = 100
"""Of a zip that any file in it takes, its names and headers included; the first so many files may take less."""
_LONGEST_NAME = 2048  # bytes
_DEEPEST = 64
"""Folders around a file."""
_UTF_8 = 0x800
"""Bit of a zip file's flags: its name is UTF-8."""
_WESTERN = re.compile(r"[\0-\x7fÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜáíóúñÑß]*")
"""What names look like that were written in code page 437 and read so; other letters betray another encoding."""
_EASTERN = ("gbk", "shift_jis", "big5", "euc_kr")
_LONGEST_LINK = 4096  # bytes
_HEADER, _BEFORE_NAME = struct.Struct("<26xH"), 30
"""The length of its name in a file's header, and where the name begins."""
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Folder:
    """The images of a zip.

    Attributes:
        images: each uint8 [h, w, 1 or 3], or uint16 if it has 16 bits; sizes may differ.
        labels: each image's label, None for one without; or None where no image has one.
        names: each image's path in the zip.
        parts: each image's part, train, validation or test; or None where no folders are parts.
        warnings: what to tell about the files and how they were read, in sentences.
        unreadable: images that were left out, if that was asked for.
    """

    images: list[Levels]
    labels: list[str | None] | None
    names: list[str]
    parts: list[str | None] | None = None
    warnings: list[str] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)


def read_zip(
    data: bytes,
    limits: Limits,
    *,
    skip_bad: bool | None = None,
    size: Size | None = None,
) -> Folder:
    """Read a zip of images.

    What hidden and system folders hold is passed over, and so are files that are no images. A symbolic link stands for
    the file or the folder of the zip that it leads to.

    Args:
        data: the zip.
        limits: bounds on it.
        skip_bad: whether to go on without the images that cannot be read; None where that cannot be asked for.
        size: height and width that images of 8 bits are resized to at once, or None.

    Raises:
        MalformedInput: not a zip, a path that leaves it, names in an unknown encoding, or images that cannot be read.
        InvalidInput: no images, or some beside the class folders.
        TooLarge: over `limits`.
    """
    intake = Intake(limits, size)
    most = MOST_OTHER_FILES + min(2 * limits.max_images, len(data) // _LEAST_BYTES)
    others = []
    with opened(data, "zip", most) as archive:
        entries, told = _entries(archive, data, most)
        check_sizes([info for name, info in entries if not passed_over(name)], most, limits.max_bytes, "zip")
        intake.expect(sum(is_read(name) and not passed_over(name) for name, _ in entries))
        for name, info in entries:
            if passed_over(name) or not _take(intake, archive, name, info):
                others.append(name)
    if skip_bad is None:
        intake.check()
    elif not skip_bad:
        intake.check("save such images anew, or set skip_bad=true to go on without them")
    if not intake.names:
        held = (
            f", only {listed([bad.file for bad in intake.unreadable] + others)}" if others or intake.unreadable else ""
        )
        raise InvalidInput(f"the zip holds no images{held}; put images into it (of {READ}), in a folder for each label")
    layout = arrange(intake.names)
    warnings = [
        *told_passed_over(others, has_classes=layout.has_classes),
        *told,
        *layout.warnings,
        *intake.warnings(),
    ]
    if intake.unreadable:
        warnings.insert(0, f"Left out, as they cannot be read: {listed_unreadable(intake.unreadable)}.")
    return Folder(intake.images(), layout.labels, intake.names, layout.parts, warnings, intake.unreadable)


def unpack_zip(data: bytes, folder: Path) -> None:
    """Write the files of a zip into a new folder, for `read_folder`, which finds there what `read_zip` would read.

    Links become what they lead to. A link to nothing and a damaged file become files that are no images, and so are
    named by whoever reads the folder.

    Raises:
        MalformedInput: not a zip, a path that leaves it or is both a file's and a folder's, or names in an unknown
            encoding.
        TooLarge: more files or bytes than `MOST_UNPACKED` and `MOST_UNPACKED_BYTES`.
        NotStored: a file cannot be written, for want of room or as its name is too long.
    """
    with opened(data, "zip", MOST_UNPACKED) as archive:
        entries, _ = _entries(archive, data, MOST_UNPACKED)
        check_sizes([info for _, info in entries], MOST_UNPACKED, MOST_UNPACKED_BYTES, "zip")
        for name, info in entries:
            try:
                content = unpacked(archive, info)
            except (zipfile.BadZipFile, zlib.error, EOFError):
                content = b""
            _write(folder / name, content)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise MalformedInput(
            f"the zip has a file and a folder of one name on the way to {path.name[:80]!r}; give one of them another"
        ) from error
    except OSError as error:
        raise NotStored(
            f"{path} cannot be written ({error.strerror}); make room there, or unpack the zip and name its folder"
        ) from error


def _take(intake: Intake, archive: zipfile.ZipFile, name: str, info: zipfile.ZipInfo) -> bool:
    """Take a file of the zip, or note why it cannot be taken; False if it is no image."""
    if _is_link(info):
        if PurePosixPath(name).suffix and not is_image(name, b""):
            return False
        intake.refuse(name, "a link that leads to nothing; put what it stands for in its place")
        return True
    try:
        if not is_image(name, unpacked(archive, info, HEAD)):
            return False
        content = unpacked(archive, info)
    except (zipfile.BadZipFile, zlib.error, EOFError):
        intake.refuse(name, "its bytes in the zip are damaged")
        return True
    if (reason := unsupported(name)) and not is_known_head(content[:HEAD]):
        intake.refuse(name, reason)
    else:
        intake.take(name, content)
    return True


def _entries(archive: zipfile.ZipFile, data: bytes, most: int) -> tuple[list[tuple[str, zipfile.ZipInfo]], list[str]]:
    """The files of a zip by their paths, those behind links by the links' paths too, and what to tell.

    A link keeps its own entry if it leads to nothing in the zip.

    Raises:
        TooLarge: more than `most`.
    """
    infos = [info for info in archive.infolist() if not info.orig_filename.endswith(("/", "\\"))]
    check_sizes(infos, most, sys.maxsize, "zip")
    _take_own_names(infos, data)
    names, told = _names(infos)
    entries = list(zip(names, infos, strict=True))
    found = [(name, info) for name, info in entries if not _is_link(info)]
    links = [(name, info) for name, info in entries if _is_link(info)]
    behind: dict[str, list[tuple[str, zipfile.ZipInfo]]] = {}
    for name, info in found if links else []:
        for place in (name, *map(str, PurePosixPath(name).parents)):
            behind.setdefault(place, []).append((name, info))
    for name, info in links:
        target = unpacked(archive, info, _LONGEST_LINK).decode("utf-8", "replace")
        place = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        led = [(name + path.removeprefix(place), held) for path, held in behind.get(place, [])]
        found += led or [(name, info)]
        if len(found) > most:
            raise TooLarge(f"the links in the zip stand for more than {most} files; zip the files themselves")
    return found, told


def _take_own_names(infos: Sequence[zipfile.ZipInfo], data: bytes) -> None:
    """Take the name in each file's own header where the zip's directory has another, as some programs write it.

    `zipfile` would refuse to read such a file.

    Raises:
        MalformedInput: two files overlap, so that few bytes might stand for many, or a name is too long.
    """
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        header = data[info.header_offset : info.header_offset + _HEADER.size]
        if info.header_offset < end:
            raise MalformedInput("files in the zip overlap; pack them again")
        if len(header) < _HEADER.size:
            raise MalformedInput("not a readable zip: its directory names files that are not there; pack them again")
        (length,) = _HEADER.unpack(header)
        if length > _LONGEST_NAME:
            raise MalformedInput(f"a name in the zip is longer than {_LONGEST_NAME} bytes; shorten it")
        start = info.header_offset + _BEFORE_NAME
        end = start + length + info.compress_size
        name = data[start : start + length].decode("utf-8" if info.flag_bits & _UTF_8 else "cp437", "replace")
        info.orig_filename = name


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)


def _names(infos: Sequence[zipfile.ZipInfo]) -> tuple[list[str], list[str]]:
    """The path of each file, with "/" between folders and each letter in its composed form, and what to tell.

    Names without the flag for UTF-8 are UTF-8 all the same if the bytes of all of them can be, and otherwise code page
    437, as the standard says. `zipfile` has read them as the latter.

    Raises:
        MalformedInput: a path leads out of the zip, or a name is in neither encoding.
    """
    names = [info.orig_filename.partition("\0")[0] for info in infos]
    unnamed = [i for i, info in enumerate(infos) if not info.flag_bits & _UTF_8 and not names[i].isascii()]
    told = []
    try:
        for i, name in [(i, names[i].encode("cp437").decode()) for i in unnamed]:
            names[i] = name
    except UnicodeDecodeError:
        slashes = any("/" in name for name in names)
        for i in unnamed:
            if not _WESTERN.fullmatch(names[i]) or (slashes and "\\" in names[i]):
                raise _unknown_encoding(names[i].encode("cp437")) from None
        told.append(
            "Names in the zip are not UTF-8 and were read as Western European ones, such as "
            f"{names[unnamed[0]][-80:]!r}. If they look wrong, zip the folder again with a program that writes UTF-8, "
            "such as 7-Zip."
        )
    return [_checked(unicodedata.normalize("NFC", name.replace("\\", "/"))) for name in names], told


def _checked(name: str) -> str:
    """A path as it is, without ./ in front.

    Raises:
        MalformedInput: it leads out of the zip.
    """
    if name.count("/") > _DEEPEST:
        raise MalformedInput(f"the path {name[:80]!r}... lies more than {_DEEPEST} folders deep; use fewer")
    parts = PurePosixPath(name).parts
    if not parts:
        raise MalformedInput("not a readable zip: a file in it has no name")
    if name.startswith("/") or ".." in parts or (len(parts) > 1 and _DRIVE.fullmatch(parts[0])):
        raise MalformedInput(f"the path {name[:80]!r} leads out of the zip; use relative paths without '..'")
    return "/".join(parts)


def _unknown_encoding(raw: bytes) -> MalformedInput:
    readings = list(_readings(raw))
    perhaps = f" (it may be {' or '.join(readings)})" if readings else ""
    return MalformedInput(
        f"the names in the zip are in an encoding that it does not name{perhaps}; zip the folder again with a program "
        "that writes UTF-8 names, such as 7-Zip, or send the folder by the command line or the page"
    )


def _readings(raw: bytes) -> Iterator[str]:
    for encoding in _EASTERN:
        try:
            yield f"{raw.decode(encoding)[:80]!r} in {encoding.upper().replace('_', '-')}"
        except UnicodeDecodeError:
            continue
