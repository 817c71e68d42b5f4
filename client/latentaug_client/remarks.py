"""What the service says of images that it took, but that may not be as they were meant: warnings of Python."""

from __future__ import annotations

import json
import sys
import warnings

import httpx

_HEADER = "Image-Warnings"
_PACKAGE = __name__.partition(".")[0]


class ImageWarning(UserWarning):
    """Images were taken, but may not be as they were meant: nearly black, transparent, of 16 bits."""


def tell(response: httpx.Response) -> None:
    """Warn whoever called this package of what an answer says of the images."""
    if _HEADER not in response.headers:
        return
    for sentence in json.loads(response.headers[_HEADER]):
        warnings.warn(sentence, ImageWarning, stacklevel=_callers_level())


def _callers_level() -> int:
    """How many frames above `tell` the code stands that called this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE and frame.f_back is not None:
        level, frame = level + 1, frame.f_back
    return level
