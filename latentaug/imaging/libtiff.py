"""Keeps libtiff, by which Pillow reads TIFF, from writing to the standard error stream of the process.

It writes a line for every row of pixels that it cannot read: a file of 1 MB made 120 MB of log.
"""

from __future__ import annotations

import ctypes

from PIL import _imaging


def silence() -> None:
    """Have libtiff tell what is wrong to Pillow only, which raises it."""
    library = ctypes.CDLL(_imaging.__file__)  # finds what this is linked with as well
    for handler in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        if hasattr(library, handler):  # a build of Pillow may hide it, or have no libtiff
            getattr(library, handler)(None)
