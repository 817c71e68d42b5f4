"""Random numbers that belong to one child alone: the same whichever other children are made, and in whatever order.

A child is known by its source's row and by its own number among that source's children.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]
_Words = NDArray[np.uint64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_UNIT = np.float32(2**-32)


def normal(seed: int, number: Rows, row: Rows, dimensions: int) -> Floats:
    """Numbers from N(0, 1) for each child.

    A generator that is set to a child's own place would take longer than its numbers, so all places are computed at
    once: SplitMix64 (Steele et al., 2014), whose n-th number is a function of n, and the Box-Muller transform.

    Args:
        seed: 0..2^64 - 1.
        number: int64 [m], each child's number among those of its source, 0..2^32 - 1.
        row: int64 [m], each child's source, 0..2^32 - 1.
        dimensions: how many numbers a child needs.

    Returns:
        float32 [m, dimensions], within +-6.8.
    """
    key = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    child = number.astype(np.uint64) << np.uint64(32) | row.astype(np.uint64)
    start = _mixed(key + child * _GAMMA)  # [m]
    places = np.arange(1, (dimensions + 1) // 2 + 1, dtype=np.uint64) * _GAMMA  # [pairs]
    words = _mixed(start[:, None] + places).view(np.uint32).astype(np.float32).reshape(len(row), len(places), 2)
    radius = np.sqrt(-2 * np.log((words[..., 0] + np.float32(0.5)) * _UNIT))  # [m, pairs]
    angle = words[..., 1] * np.float32(2 * np.pi) * _UNIT
    numbers = np.empty((len(row), len(places), 2), np.float32)
    np.multiply(radius, np.cos(angle), out=numbers[..., 0])
    np.multiply(radius, np.sin(angle), out=numbers[..., 1])
    return numbers.reshape(len(row), 2 * len(places))[:, :dimensions]


def uniform(seed: int, number: Rows, row: Rows) -> Floats:
    """One number for each child, drawn evenly from 0..1.

    Every child number has a stream of its own, in which the r-th number is row r's.

    Args:
        seed: 0..2^64 - 1.
        number: int64 [m], each child's number among those of its source.
        row: int64 [m], each child's source.

    Returns:
        float32 [m], 0 included and 1 not.
    """
    found = np.empty(len(row), np.float32)
    order = np.argsort(number, kind="stable")
    streams, starts = np.unique(number[order], return_index=True)
    for stream, (start, stop) in zip(streams.tolist(), pairwise([*starts, len(order)]), strict=True):
        children = order[start:stop]
        first, last = int(row[children].min()), int(row[children].max())
        first -= first % 2  # one step of the generator gives two numbers
        bits = np.random.PCG64([seed, stream])
        bits.advance(first // 2)
        stretch = np.random.Generator(bits).random(last + 1 - first, dtype=np.float32)
        found[children] = stretch[row[children] - first]
    return found


def _mixed(words: _Words) -> _Words:
    """SplitMix64's finishing step: neighbouring words come out unlike."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
