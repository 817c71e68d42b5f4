"""What callers should know although all went well: warnings of Python, as of the line that called this package."""

from __future__ import annotations

import json
import sys
import warnings

import httpx

_HEADER = "Image-Warnings"
_BETWEEN = {__name__.partition(".")[0], "contextlib", "imblearn", "sklearn"}
"""Packages whose frames lie between a warning and the code that called this one."""


class ImageWarning(UserWarning):
    """Images were taken, but may not be as they were meant: nearly black, transparent, of 16 bits."""


def tell(response: httpx.Response) -> None:
    """Warn whoever called this package of what an answer says of the images."""
    if _HEADER not in response.headers:
        return
    for sentence in json.loads(response.headers[_HEADER]):
        warnings.warn(sentence, ImageWarning, stacklevel=level())


def level() -> int:
    """The `stacklevel` with which a warning names the line that called this package."""
    found, frame = 1, sys._getframe(1)
    while str(frame.f_globals.get("__name__")).partition(".")[0] in _BETWEEN and frame.f_back is not None:
        found, frame = found + 1, frame.f_back
    return found
