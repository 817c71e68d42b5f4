"""Pairs of images that may show the same picture: encoded anew, resized, brightened, or a pixel off.

Three sieves, each finer and slower than the one before. All pairs are compared by the lengths of their lowest Fourier
coefficients, which a shift leaves as they are; then by the coefficients themselves, over all small shifts; and what is
left, by its edges, pixel by pixel. Brightness and contrast count in none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets.selection import Images
from latentaug.imaging.pixels import Pixels

SMOOTH_SIDE = 32
"""Pixels on the shorter side of an image that need no smoothing; larger images are smoothed over as many times more."""
MOST_SHIFT = 2
"""Pixels by which copies may be shifted; one where nothing is smoothed."""
CLOSEST = 0.3
"""Pictures with many details agree if nowhere more than this part of their edges differs."""
MANY_DETAILS = 1000
"""Number of pixels on edges from which an image counts as one with many details."""
FAINT = 2.0
"""Grey levels. Images whose neighbouring pixels differ less have no details to compare."""
MOST_GAIN = 1.5
"""How many times the contrast of one copy may be that of the other."""
MOST_TINT = 24.0
"""Grey levels by which the colour of a part may differ between copies."""
MOST_AHEAD = 2**15
"""Each image is compared with at most this many others, which are the likeliest. This and the next bound the time."""
MOST_PIXELS = 2**28
"""Pixels of all pairs that are compared pixel by pixel, the likeliest first."""

_FREQUENCIES = 3
_SPECTRA_APART = 0.15  # distance of unit vectors, of lengths alone
_SHIFTED_APART = 0.13  # distance of unit vectors at the best shift
_PARTS = 4  # an image is compared in 4x4 parts
_ROWS, _COLUMNS = 256, 2048  # of a tile of compared images; it fits the cache
_PAIRS_A_ROW = 8  # most that a tile yields for each of its rows, on average
_MOST_PAIRS = 2**22
_CHUNK_ELEMENTS = 2**21
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]
Spectra = NDArray[np.complex64]


class Pairs(NamedTuple):
    """Pairs of rows, int64 [p, 2], and how much they differ, float32 [p]; 1 is the most that copies may."""

    rows: Rows
    differences: Floats

    def nearest(self, most: int) -> Pairs:
        """Those that differ least, at most so many."""
        if len(self.rows) <= most:
            return self
        chosen = np.argpartition(self.differences, most)[:most]
        return Pairs(self.rows[chosen], self.differences[chosen])


def _joined(parts: Sequence[Pairs]) -> Pairs:
    none = Pairs(np.empty((0, 2), np.int64), np.empty(0, np.float32))
    return Pairs(*(np.concatenate(arrays) for arrays in zip(none, *parts, strict=True)))


def near_pairs(images: Images, farthest: float) -> Pairs:
    """The pairs of images that differ by at most `farthest`.

    The difference of two images is the part of their edges' energy that differs where they differ most, among 4x4
    parts, at the shift and the contrast that suit them best; divided by what copies with as many details may differ.

    Args:
        images: uint8 [n, h, w, c], no two alike byte for byte.
        farthest: the largest difference of interest.
    """
    height, width, channels = images.shape[1:]
    values = height * width * channels
    smoothing = -(-min(height, width) // SMOOTH_SIDE)
    reach = min(smoothing, MOST_SHIFT)
    spectra = np.empty((len(images), len(_frequencies()[0])), np.complex64)  # [n, f]
    for chunk in _chunks(len(images), values):
        spectra[chunk] = _spectra(_grey(images[chunk]))
    pairs = _alike_over_shifts(spectra, _alike(spectra).rows, _shifts(height, width, reach))
    rows = pairs.nearest(MOST_PIXELS // (height * width)).rows
    parts = [rows[chunk] for chunk in _chunks(len(rows), 8 * values)]
    compared = _joined(
        [Pairs(part, _differences(images[part[:, 0]], images[part[:, 1]], smoothing, reach)) for part in parts]
    )
    near = compared.differences <= farthest
    return Pairs(compared.rows[near], compared.differences[near])


def _chunks(n: int, elements: int) -> Iterator[slice]:
    step = max(1, _CHUNK_ELEMENTS // elements)
    return (slice(start, start + step) for start in range(0, n, step))


def _grey(images: Pixels) -> Floats:
    """Luminance, float32 [n, h, w]."""
    grey: Floats = images[..., 0].astype(np.float32) if images.shape[3] == 1 else images @ _LUMINANCE
    return grey


def _waves(side: int, frequencies: NDArray[np.float64], at: NDArray[np.float64]) -> Spectra:
    """The waves of these frequencies at these pixels, complex64 [len(at), len(frequencies)]."""
    waves: Spectra = np.exp(-2j * np.pi * np.outer(at, frequencies) / side).astype(np.complex64)
    return waves


def _frequencies() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vertical and horizontal frequencies of the coefficients that are looked at, without those that mirror another."""
    both = np.arange(-_FREQUENCIES, _FREQUENCIES + 1.0)
    down, across = (axis.ravel() for axis in np.meshgrid(both, both[_FREQUENCIES:], indexing="ij"))
    kept = (across > 0) | (down > 0)
    return down[kept], across[kept]


def _spectra(grey: Floats) -> Spectra:
    """The lowest Fourier coefficients of images [n, h, w], without the mean: complex64 [n, f], of length 1, or 0."""
    down, across = _frequencies()
    height, width = grey.shape[1:]
    rows = grey @ _waves(width, np.arange(_FREQUENCIES + 1.0), np.arange(float(width)))  # [n, h, 4]
    columns = _waves(height, np.arange(-_FREQUENCIES, _FREQUENCIES + 1.0), np.arange(float(height))).T  # [7, h]
    coefficients = columns @ rows  # [n, 7, 4]
    chosen = coefficients[:, (down + _FREQUENCIES).astype(np.int64), across.astype(np.int64)]  # [n, f]
    lengths = np.linalg.norm(chosen, axis=1, keepdims=True)
    spectra: Spectra = chosen / np.maximum(lengths, grey[0].size / 256)  # a flat image has rounding errors alone
    return spectra


def _alike(spectra: Spectra) -> Pairs:
    """Pairs of rows whose coefficients have nearly the same lengths.

    Rows are sorted along the direction in which they differ most, so that each need be compared with those only that
    come soon after it.
    """
    lengths = np.abs(spectra)  # [n, f]
    centred = lengths - lengths.mean(axis=0)
    along = centred @ np.linalg.eigh(centred.T @ centred)[1][:, -1]  # [n]
    order = np.argsort(along, kind="stable")
    lengths, along = lengths[order], along[order]
    ends = np.minimum(np.searchsorted(along, along + _SPECTRA_APART, "right"), np.arange(len(along)) + MOST_AHEAD)
    found, count = list[Pairs](), 0
    for top in range(0, len(lengths), _ROWS):
        bottom = min(top + _ROWS, len(lengths))
        end = int(ends[bottom - 1])
        for left in range(top, end, _COLUMNS):
            tile = _alike_in_tile(lengths[top:bottom], lengths[left : min(left + _COLUMNS, end)], left - top)
            found.append(Pairs(tile.rows + top, tile.differences))
            count += len(tile.rows)
        if count > 2 * _MOST_PAIRS:
            found, count = [_joined(found).nearest(_MOST_PAIRS)], _MOST_PAIRS
    likeliest = _joined(found).nearest(_MOST_PAIRS)
    return Pairs(order[likeliest.rows], likeliest.differences)


def _alike_in_tile(lengths: Floats, others: Floats, ahead: int) -> Pairs:
    """Pairs of rows of two arrays, of which the second starts `ahead` rows after the first; if many, the likeliest."""
    products = lengths @ others.T  # [r, c]
    hits = np.flatnonzero(products >= 1 - _SPECTRA_APART**2 / 2)
    rows, columns = np.divmod(hits, len(others))
    columns += ahead
    later = rows < columns
    pairs = Pairs(np.stack([rows[later], columns[later]], axis=1), 1 - products.ravel()[hits[later]])
    return pairs.nearest(_PAIRS_A_ROW * len(lengths))


def _shifts(height: int, width: int, reach: int) -> Spectra:
    """What turns the coefficients of an image into those of the image shifted: complex64 [f, s], by half pixels."""
    down, across = _frequencies()
    steps = np.arange(-2.0 * reach, 2.0 * reach + 1) / 2
    vertical, horizontal = _waves(height, down, steps)[:, None], _waves(width, across, steps)[None]
    shifts: Spectra = (vertical * horizontal).reshape(-1, len(down)).T
    return shifts


def _alike_over_shifts(spectra: Spectra, rows: Rows, shifts: Spectra) -> Pairs:
    """Those of the pairs whose coefficients are nearly the same, at the shift that suits them best."""
    kept = []
    for chunk in _chunks(len(rows), shifts.size):
        crossed = spectra[rows[chunk, 0]] * spectra[rows[chunk, 1]].conj()  # [p, f]
        apart = 1 - (crossed.real @ shifts.real - crossed.imag @ shifts.imag).max(axis=1)  # [p]
        near = apart <= _SHIFTED_APART**2 / 2
        kept.append(Pairs(rows[chunk][near], apart[near]))
    return _joined(kept)


def _differences(one: Pixels, other: Pixels, smoothing: int, reach: int) -> Floats:
    """How much images uint8 [p, h, w, c] differ from others, one by one: float32 [p], infinite for other colours."""
    edges, others = _edges(_grey(one), smoothing), _edges(_grey(other), smoothing)  # [p, 2, H, W]
    limits = np.minimum(_limits(edges, smoothing), _limits(others, smoothing))  # [p]
    shifts = [(y, x) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1)]
    every = max(smoothing // 2, 1)  # pixels of smooth images tell little that their neighbours do not
    agreements = [_agreement(*_overlap(edges, others, shift, reach, every)) for shift in shifts]
    best = np.stack(agreements).argmax(axis=0)  # [p]
    differences = np.full(len(one), np.inf, np.float32)
    for number, shift in enumerate(shifts):
        rows = np.flatnonzero((best == number) & (limits > 0))
        if len(rows):
            gains, apart = _compare(*_overlap(edges[rows], others[rows], shift))
            if one.shape[3] == 3:
                apart[_tints(one[rows], other[rows], shift, gains) > MOST_TINT] = np.inf
            differences[rows] = apart / limits[rows]
    return differences


def _edges(grey: Floats, smoothing: int) -> Floats:
    """How much images [p, h, w], once smoothed, rise downwards and to the right: [p, 2, H, W]."""
    smooth = _sums(_sums(grey, smoothing, axis=1), smoothing, axis=2) / smoothing**2
    here = smooth[:, :-smoothing, :-smoothing]
    return np.stack([smooth[:, smoothing:, :-smoothing] - here, smooth[:, :-smoothing, smoothing:] - here], axis=1)


def _sums(array: Floats, count: int, axis: int) -> Floats:
    """Sums of so many neighbours along an axis."""
    moved = np.moveaxis(array, axis, 0)
    sums = moved[: len(moved) - count + 1].copy()
    for start in range(1, count):
        sums += moved[start : start + len(sums)]
    return np.moveaxis(sums, 0, axis)


def _limits(edges: Floats, smoothing: int) -> Floats:
    """How much copies of images with these edges [p, 2, H, W] may differ, float32 [p]: less where there are few."""
    energy = (edges**2).sum(axis=1).reshape(len(edges), -1)  # [p, H * W]
    details = energy.sum(axis=1) ** 2 / np.maximum((energy**2).sum(axis=1), 1e-9) / smoothing**2
    limits: Floats = CLOSEST * np.sqrt(np.minimum(details / MANY_DETAILS, 1))
    return np.where(energy.mean(axis=1) < FAINT**2, np.float32(0), limits)


def _overlap(
    one: Floats, other: Floats, shift: tuple[int, int], margin: int = 0, every: int = 1
) -> tuple[Floats, Floats]:
    """The parts of arrays [..., H, W] that cover each other where the other is shifted down and right.

    Args:
        one: the array that stays in its place.
        other: the array that is shifted.
        shift: pixels down and to the right.
        margin: pixels of the first array that are left out on each side, as many as any shift has; 0 for as few as this
            shift needs.
        every: how many rows and columns are gone on by; 1 for all of them.
    """
    here, there = [], []
    for by, length in zip(shift, one.shape[-2:], strict=True):
        start, end = (margin, length - margin) if margin else (max(by, 0), length + min(by, 0))
        here.append(slice(start, end, every))
        there.append(slice(start - by, end - by, every))
    return one[..., here[0], here[1]], other[..., there[0], there[1]]


def _product(one: Floats, other: Floats) -> Floats:
    """The inner products of arrays [p, 2, H, W], one by one: [p]."""
    product: Floats = np.einsum("pdhw,pdhw->p", one, other)
    return product


def _agreement(one: Floats, other: Floats) -> Floats:
    """How well edges [p, 2, H, W] agree with others, whatever the contrast of these: [p]."""
    agreement = _product(one, other) / np.sqrt(np.maximum(_product(other, other), 1e-9))
    return agreement.astype(np.float32)


def _compare(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """The contrast of edges [p, 2, H, W] over that of others, and the part that differs where most does: [p] each."""
    gains = (_product(one, other) / np.maximum(_product(other, other), 1e-9)).astype(np.float32)  # [p]
    scaled = other * gains[:, None, None, None]
    energy = _in_parts((one**2 + scaled**2).sum(axis=1)) / 2  # [p, 4, 4]
    apart = _in_parts(((one - scaled) ** 2).sum(axis=1)) / (energy + energy.mean(axis=(1, 2), keepdims=True) + 1e-9)
    most: Floats = apart.max(axis=(1, 2))
    most[(gains > MOST_GAIN) | (gains < 1 / MOST_GAIN)] = np.inf
    return gains, most


def _in_parts(array: Floats) -> Floats:
    """Sums of [p, H, W] over 4x4 parts of equal size, up to a pixel: [p, 4, 4]."""
    starts = [np.linspace(0, side, _PARTS, endpoint=False).astype(np.int64) for side in array.shape[1:]]
    return np.add.reduceat(np.add.reduceat(array, starts[0], axis=1), starts[1], axis=2)


def _tints(one: Pixels, other: Pixels, shift: tuple[int, int], gains: Floats) -> Floats:
    """How much the colours of images [p, h, w, 3] differ in the part where they differ most, in grey levels: [p]."""
    found = np.zeros(len(one), np.float32)
    for channel in (0, 2):  # red and blue over the luminance; green follows
        tint, others = (image[..., channel] - _grey(image) for image in (one, other))
        here, there = _overlap(tint, others, shift)
        sums = _in_parts(here - there * gains[:, None, None])  # [p, 4, 4]
        means = np.abs(sums) / _in_parts(np.ones_like(here[:1]))
        found = np.maximum(found, means.max(axis=(1, 2)))
    return found
