"""What a file is, told by its name and its first bytes: an image that is read, another image, or no image at all."""

from __future__ import annotations

from pathlib import PurePosixPath

from PIL import features

from latentaug.imaging.tiff_tags import HEADS as TIFF_HEADS

_AVIF = features.check("avif")  # not in every build of Pillow
FORMATS = ("PNG", "JPEG", "WEBP", *(["AVIF"] if _AVIF else []), "BMP", "GIF", "TIFF")
"""Pillow's names of the formats that are read. JPEG covers MPO, a JPEG with further pictures, as some phones write."""
READ = f"PNG, JPEG, WebP, {'AVIF, ' if _AVIF else ''}BMP, GIF or TIFF"
"""The same for a person."""
IMAGE_SUFFIXES = frozenset(
    (
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".webp", ".avif"),
        *(".avifs", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
    )
)
OTHER_IMAGES = frozenset(
    (
        *(".heic", ".heif", ".hif", ".svg", ".psd", ".xcf", ".ico", ".jp2", ".j2k", ".jxl", ".tga", ".exr", ".hdr"),
        *(".eps", ".pcx", ".pbm", ".pgm", ".ppm", ".pnm", ".dcm"),
        *(".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2"),
    )
)
"""Names of images in formats that are not read. They are named as such, and never passed over as if they were none."""
HEAD = 32
"""First bytes of a file by which `is_image` and `kind` tell what it is."""

_IMAGE_HEADS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", *TIFF_HEADS)
_OTHER_HEADS = {
    b"8BPS": "a Photoshop file",
    b"%PDF": "a PDF",
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML file, perhaps an SVG drawing",
    b"<!DOC": "a web page",
    b"<!doc": "a web page",
    b"<html": "a web page",
    b"PK\x03\x04": "a zip",
    b"\x1f\x8b": "a gzip or tar.gz archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"version https://git-lfs": "a pointer of Git LFS in place of the file itself",
    b"\0\x05\x16\x07": "what macOS notes about a file",
    b"\x93NUMPY": "a numpy array",
}


def is_image(name: str, head: bytes) -> bool:
    """Whether a file is meant to be an image, read or not: by its name or else by its first bytes."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix in IMAGE_SUFFIXES or suffix in OTHER_IMAGES or is_known_head(head)


def is_read(name: str) -> bool:
    """Whether a file is an image that is read, by its name."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def is_known_head(head: bytes) -> bool:
    """Whether a file's first bytes are those of an image that is read (other than BMP, which has too short a mark)."""
    riff = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return riff or head[4:12] == b"ftypavif" or head.startswith(_IMAGE_HEADS)


def kind(head: bytes) -> str | None:
    """What a file is that is none of the images that are read, in words; None if that is not known."""
    if not head:
        return "an empty file"
    if head[4:8] == b"ftyp":
        return "a HEIC image or a video"
    return next((words for mark, words in _OTHER_HEADS.items() if head.startswith(mark)), None)
