"""Large photos, scaled down on this machine before they are sent, as the service would scale them there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from latentaug_client.folders import Folder, content, zipped

from latentaug.errors import LatentaugError
from latentaug.imaging.pixels import Limits, decode, encode_png, fit

LARGE_BYTES = 2**26
"""Bytes of files from which on it is quicker to scale them here than to send them."""
LARGE_FILE = 2**21
"""Bytes of one file from which on its photo may have more pixels than a service reads."""
HERE = Limits(max_pixels=2**26)
"""Bounds on images that are read on this machine, one by one: cameras make photos of up to 64 million pixels."""


def is_large(files: Iterable[Path]) -> bool:
    """Whether files have so many bytes, or one of them has, that they are better scaled down here."""
    sizes = _sizes(files)
    return sum(sizes) > LARGE_BYTES or max(sizes, default=0) > LARGE_FILE


def bytes_of(files: Iterable[Path]) -> int:
    """The bytes of all these files."""
    return sum(_sizes(files))


def _sizes(files: Iterable[Path]) -> list[int]:
    return [path.stat().st_size for path in files if path.is_file()]


def scaled(folder: Folder, size: tuple[int, int]) -> bytes:
    """A zip of a folder's images, each scaled to this height and width, under their own paths."""
    paths = list(folder.images.values())
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        files = dict(zip(paths, threads.map(partial(_scaled, size), paths), strict=True))
    return zipped(folder, files.__getitem__)


def _scaled(size: tuple[int, int], path: Path) -> bytes:
    """An image of this size as PNG; or the file as it is, where the service has something to say of it."""
    data = content(path)
    try:
        image = decode(data, HERE)
    except LatentaugError:
        return data
    if image.levels.dtype != np.uint8 or image.frames or image.background or image.left_over:
        return data
    levels = image.levels.astype(np.uint8, copy=False)
    return encode_png(fit([levels], *size, levels.shape[2], resize=True)[0])
