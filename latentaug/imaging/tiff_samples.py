"""The samples of a TIFF, unpacked some blocks at a time.

Pillow unpacks the blocks: it is shown them as the rows of a grey image of 8 bits, and the samples are taken from its
bytes here. By itself it takes 16-bit colour in separate planes, 16-bit values of which the least is white and some
others for what they are not, and it has no place for colour of 16 bits.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from latentaug.errors import MalformedInput, TooLarge
from latentaug.imaging.depth import in_unit_range, of_unit_range, scaled
from latentaug.imaging.tiff_tags import PALETTE, PLAIN, Page

_TOGETHER = 2**20
"""Bytes that are unpacked or converted together, unless a single block or row has more."""
MOST_PADDED, _MOST_BLOCK, _MOST_BYTES = 4, 4, 8
"""For each pixel that an image may have: pixels in all tiles, bytes in a packed block, and bytes in all samples."""
_REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little"), axis=1)[:, 0]


def samples(page: Page, data: bytes, max_pixels: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The samples of a page whose blocks are bytes.

    Floats in 0..1 are spread over 0..255, and so are whole numbers of up to 15 bits, except indices of a palette.

    Args:
        page: its tags.
        data: the file.
        max_pixels: most pixels that an image may have.

    Returns:
        [height, width, samples]: uint16 for whole numbers of 16 bits or more and indices of more than 8, else uint8.

    Raises:
        MalformedInput: it is cut short, or holds values out of range.
        TooLarge: its samples have too many bytes, or those of one block.
        OSError: the blocks are not packed as they claim to be.
    """
    _check(page, len(data), max_pixels)
    in_plane = 1 if page.separate else page.samples
    wide = page.deep or (page.photometric == PALETTE and page.bits > 8)
    out = np.empty((page.height, page.width, page.samples), np.uint16 if wide else np.uint8)
    for plane in range(page.samples // in_plane):
        part = out[..., plane * in_plane : (plane + 1) * in_plane]
        for top, rows in _rows(page, data, plane, in_plane):
            values = _values(rows, page, in_plane)[:, : page.width]
            part[top : top + len(rows)] = _narrow(values, page)
    return out


def padded_pixels(page: Page) -> int:
    """Pixels in all tiles or strips, of one plane."""
    (down, across), (height, width) = page.blocks, page.block
    return down * height * across * width


def _check(page: Page, size: int, max_pixels: int) -> None:
    """Refuse what would take too much memory, and blocks that lie beyond the file or over each other."""
    each = (1 if page.separate else page.samples) * page.bits / 8
    packed = page.compression != PLAIN
    if page.height * page.width * page.samples * max(1, page.bits // 8) > _MOST_BYTES * max_pixels:
        raise TooLarge(f"the TIFF holds more than {_MOST_BYTES * max_pixels} bytes; save it smaller, or with 8 bits")
    if packed and page.block[0] * page.block[1] * each > _MOST_BLOCK * max_pixels:
        raise TooLarge(f"the TIFF has strips of more than {_MOST_BLOCK * max_pixels} bytes; save it in smaller strips")
    count = page.blocks[0] * page.blocks[1] * (page.samples if page.separate else 1)
    if len(page.offsets) < count or (packed and len(page.counts) < count):
        raise MalformedInput("broken or cut short (it names fewer strips or tiles than it has)")
    if packed and int(np.minimum(page.counts[:count], size).sum()) > 2 * size:
        raise MalformedInput("broken (its strips or tiles lie over each other)")


def _rows(page: Page, data: bytes, plane: int, in_plane: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Rows of one plane, a few at a time: where they begin, and their bytes, [rows, blocks side by side, bytes]."""
    (down, across), (height, width) = page.blocks, page.block
    row_bytes = (width * in_plane * page.bits + 7) // 8
    step = max(1, _TOGETHER // (across * height * row_bytes))
    few = max(1, _TOGETHER // (across * row_bytes))
    for first in range(0, down, step):
        last = min(first + step, down)
        whole = (last - first) * height
        lines = whole * across if page.tiled else min(whole, page.height - first * height)
        which = slice((plane * down + first) * across, (plane * down + last) * across)
        raw = _unpacked(page, data, which, lines, row_bytes)
        rows = raw[:, None]
        if page.tiled:
            rows = raw.reshape(-1, across, height, row_bytes).swapaxes(1, 2).reshape(-1, across, row_bytes)
        rows = rows[: page.height - first * height]
        for start in range(0, len(rows), few):
            yield first * height + start, rows[start : start + few]


def _unpacked(page: Page, data: bytes, which: slice, lines: int, row_bytes: int) -> NDArray[np.uint8]:
    """Some blocks one below the other, uint8 [lines, row_bytes]."""
    offsets = [int(offset) for offset in page.offsets[which]]
    if page.compression != PLAIN:
        counts = [int(count) for count in page.counts[which]]
        blocks = [data[offset : offset + count] for offset, count in zip(offsets, counts, strict=True)]
        return _by_pillow(page, blocks, lines, row_bytes)
    size = page.block[0] * row_bytes
    if len(offsets) == 1:
        raw = np.frombuffer(data, np.uint8, lines * row_bytes, offsets[0])
    else:
        raw = np.frombuffer(b"".join(data[offset : offset + size] for offset in offsets), np.uint8, lines * row_bytes)
    raw = raw.reshape(lines, row_bytes)
    return _REVERSED[raw] if page.reversed else raw


def _by_pillow(page: Page, blocks: Sequence[bytes], lines: int, row_bytes: int) -> NDArray[np.uint8]:
    """Blocks unpacked by Pillow, as a TIFF of these strips, of one byte for each pixel."""
    tags = {
        256: [row_bytes],
        257: [lines],
        258: [8],
        259: [page.compression],
        262: [1],
        266: [2 if page.reversed else 1],
    }
    tags |= {273: [0] * len(blocks), 277: [1], 278: [page.block[0]], 279: [len(block) for block in blocks]}
    place = 8 + 2 + 12 * len(tags) + 4
    strips = place + 8 * len(blocks)
    tags[273] = (strips + np.cumsum([0, *tags[279][:-1]])).tolist()
    entries, arrays = [], []
    for tag, values in tags.items():
        if len(values) > 1:
            arrays.append(struct.pack(f"<{len(values)}I", *values))
            entries.append(struct.pack("<HHII", tag, 4, len(values), place))
            place += 4 * len(values)
        else:
            entries.append(struct.pack("<HHII", tag, 4, 1, values[0]))
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(entries) + bytes(4)
    told = (head + b"".join(arrays)).ljust(strips, b"\0")
    return np.asarray(TiffImagePlugin.TiffImageFile(io.BytesIO(told + b"".join(blocks))))


def _values(rows: NDArray[np.uint8], page: Page, in_plane: int) -> NDArray[np.generic]:
    """Rows of bytes as numbers, [rows, columns, samples of one plane]; there may be more columns than the page has."""
    height, across, size = rows.shape
    width, bits = page.block[1], page.bits
    shape = (height, across, width, in_plane)
    if page.predictor == 3:
        turned = rows.reshape(height, across, size // in_plane, in_plane).cumsum(axis=2, dtype=np.uint8)
        by_value = turned.reshape(height, across, bits // 8, -1).swapaxes(2, 3)  # the first bytes of all come first
        values = np.ascontiguousarray(by_value).view(f">f{bits // 8}")
    elif bits in (8, 16, 32, 64):
        values = np.ascontiguousarray(rows).view(f"{page.order}u{bits // 8}").astype(f"u{bits // 8}", copy=False)
        if page.predictor == 2:
            values = values.reshape(shape).cumsum(axis=2, dtype=values.dtype)
        values = values.view(f"{ {'whole': 'u', 'signed': 'i', 'float': 'f'}[page.form] }{bits // 8}")
    else:
        count = width * in_plane
        split = np.unpackbits(rows, axis=-1)[..., : count * bits].reshape(height, across, count, bits)
        values = split @ (1 << np.arange(bits, dtype=np.uint16)[::-1])
    return values.reshape(height, across * width, in_plane)


def _narrow(values: NDArray[np.generic], page: Page) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Numbers as `samples` gives them."""
    if page.form == "float":
        if not in_unit_range(values):
            raise MalformedInput("it holds floating-point values outside 0..1; scale them, or save 8 or 16 bits")
        return of_unit_range(values)
    if page.form == "signed" or page.bits > 16:
        if values.size and (values.min() < 0 or values.max() > 65535):
            raise MalformedInput("it holds values outside 0..65535; save 8 or 16 bits")
        return values.astype(np.uint16)
    if page.bits in (8, 16) or page.photometric == PALETTE:
        return values.astype(np.uint16) if page.bits > 8 else values.astype(np.uint8)
    return scaled(values.astype(np.uint16), 2**page.bits - 1)
