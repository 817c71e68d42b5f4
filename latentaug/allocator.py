"""What becomes of memory that a process has freed, and what Python looks through to free more.

Where the C library is not glibc, the first three functions have no effect.
"""

from __future__ import annotations

import ctypes
import gc
import platform
from functools import cache
from threading import Thread

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of <malloc.h>
_MOST_KEPT = 2**31 - 1
_LARGEST_KEPT = 2**25  # bytes, the most that glibc accepts


def keep_freed() -> None:
    """Have the process keep the memory of freed tensors of up to 32 MiB, instead of asking the system for it again.

    The system clears every page that it hands out, which takes a good part of the time of training and of inference.
    A step or a tile needs tensors of the same sizes as the one before, so the memory in use does not grow.
    """
    if libc := _glibc():
        libc.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        libc.mallopt(_TRIM_THRESHOLD, _MOST_KEPT)


def give_back() -> None:
    """Give the system the freed memory that glibc would go on holding.

    By itself it holds more and more of it, hundreds of megabytes in the end where several threads free images: then a
    bound on what requests hold together bounds the memory of the process no longer.
    """
    if libc := _glibc():
        libc.malloc_trim(0)


def give_back_aside() -> None:
    """Do so in a thread, as it may take some milliseconds."""
    Thread(target=give_back, daemon=True).start()


def keep_what_is_there() -> None:
    """Spare Python's garbage collector what a process has built up so far: its modules, which stay until its end.

    Otherwise it looks through all of them again and again. In the API that took 50 ms every few thousand requests, and
    about a tenth of its time where they were small, when `gc.callbacks` was asked once.
    """
    gc.collect()
    gc.freeze()


@cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
