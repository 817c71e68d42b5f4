"""Arrays in the form of safetensors without a copy: written piece by piece, and looked at where they lie.

The bytes are those of `safetensors.numpy.save`, which holds everything in memory twice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

PIECE = 2**22
"""Bytes that are written at a time."""
_TYPES: Mapping[str, type[np.generic]] = {"I64": np.int64, "U8": np.uint8}
_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items()}
_LENGTH = 8
"""Bytes of the header's length, and what the header is filled up to a multiple of."""

Arrays = Mapping[str, NDArray[Any]]


def pieces(arrays: Arrays) -> Iterator[bytes]:
    """The bytes of arrays of int64 and uint8, in C order, piece by piece."""
    names, header, end = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name)), dict[str, object](), 0
    for name in names:
        begin, end = end, end + arrays[name].nbytes
        dtype, shape = _NAMES[arrays[name].dtype], list(arrays[name].shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    told = json.dumps(header, separators=(",", ":")).encode()
    told += b" " * (-len(told) % _LENGTH)
    yield len(told).to_bytes(_LENGTH, "little") + told
    for name in names:
        plain = arrays[name].reshape(-1).view(np.uint8)
        for start in range(0, len(plain), PIECE):
            yield plain[start : start + PIECE].tobytes()


def views(data: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """The arrays in bytes that `pieces` made; they are the same memory, or the same mapped file."""
    start = _LENGTH + int.from_bytes(data[:_LENGTH].tobytes(), "little")
    header = json.loads(data[_LENGTH:start].tobytes())
    found = dict[str, NDArray[Any]]()
    for name, about in header.items():
        dtype, (begin, end) = np.dtype(_TYPES[about["dtype"]]), about["data_offsets"]
        assert end - begin == math.prod(about["shape"]) * dtype.itemsize  # noqa: S101  the checksum was right
        found[name] = data[start + begin : start + end].view(dtype).reshape(about["shape"])
    return found
