"""Zips for the tests of their readers."""

from __future__ import annotations

import io
import zipfile

import numpy as np

from latentaug.imaging.pixels import Limits, encode_png

LIMITS = Limits(max_images=10, max_pixels=10_000, max_bytes=100_000)
IMAGE = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
PNG = encode_png(IMAGE)


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()
