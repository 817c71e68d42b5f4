"""The C library's memory: kept for the next tensor of the same size, or given back."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of <malloc.h>
_MOST_KEPT = 2**31 - 1
_LARGEST_KEPT = 2**25  # bytes; more is not taken


def keep_freed() -> None:
    """Have the process keep memory that tensors free, up to 32 MiB each, rather than give it back and ask again.

    The kernel clears every page that it gives, which takes a good part of the time of training and of inference.
    Tensors of a step or a tile have the same sizes as those of the last, so the most in use grows no further. Does
    nothing where the C library is not glibc.
    """
    if libc := _glibc():
        libc.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        libc.mallopt(_TRIM_THRESHOLD, _MOST_KEPT)


def give_back() -> None:
    """Give freed memory back to the system, which glibc would go on holding. Does nothing elsewhere."""
    if libc := _glibc():
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
