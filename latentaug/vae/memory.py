"""Memory: how many images are computed together, and what becomes of the memory that tensors free."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of <malloc.h>
_MOST_KEPT = 2**31 - 1
_LARGEST_KEPT = 2**25  # bytes, the most that glibc accepts
_VALUES_TOGETHER = 2**23
"""More values of images than these are computed no faster together (docs/results/architectures.md)."""


def together(values: int, most: int) -> int:
    """How many images of so many values each are computed together: `most`, or fewer of large images, at least 1."""
    return max(1, min(most, _VALUES_TOGETHER // values))


def keep_freed() -> None:
    """Have the process keep the memory of freed tensors of up to 32 MiB, instead of asking the system for it again.

    The system clears every page that it hands out, which takes a good part of the time of training and of inference.
    A step or a tile needs tensors of the same sizes as the one before, so the memory in use does not grow. This does
    nothing where the C library is not glibc.
    """
    if libc := _glibc():
        libc.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        libc.mallopt(_TRIM_THRESHOLD, _MOST_KEPT)


def give_back() -> None:
    """Give the system the freed memory that glibc would go on holding. This does nothing with other C libraries."""
    if libc := _glibc():
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
