"""How much work it is to find neighbours and to filter children, told before it is begun.

The unit is a multiplication of two latents' numbers, as most of the work compares latents with latents.
"""

from __future__ import annotations

import numpy as np

from latentaug.augment.neighbours import Reference, Rows
from latentaug.augment.rejection import VOTERS
from latentaug.datasets import UNLABELLED
from latentaug.options import RenderingOptions

MOST = 2**37
"""Multiplications that one request may need; half a minute on one processor core."""
_OF_A_PAIR = 50
"""What it takes, whatever the dimensions, to look at the distance between two latents once."""
_OF_A_NEIGHBOUR = 5
"""What it takes to look once more, for the next nearest."""
_FEW = 2**16
"""Pairs that are not worth being counted by label."""
_OF_A_NUMBER = 50
"""What it takes to draw a random number."""


def effort(
    options: RenderingOptions,
    dim: int,
    labels: Rows | None,
    images: int,
    counts: Rows | None,
    reference: Reference | None,
) -> int:
    """How many multiplications a request needs at most.

    Args:
        options: what is asked for.
        dim: dimensions of the latents.
        labels: int64 [n], in which an image may be `UNLABELLED`; or None.
        images: n.
        counts: int64 [n], children of each image where exact numbers are asked for.
        reference: the latents of the data set, if neighbours are looked for among them.
    """
    children = images * options.children if counts is None else int(counts.sum())
    pool = images if reference is None else len(reference.latents)
    if options.method == "noise":
        found = children * dim * _OF_A_NUMBER
    else:
        found = _pairs(labels, images, reference) * (dim + _OF_A_PAIR + _OF_A_NEIGHBOUR * options.k)
    looks = len(set(options.filters) - {"copies"})  # that one compares a child with its source alone
    if looks and counts is not None:
        judged = children + options.retries * int((counts > 0).sum())
        found += judged * pool * looks * (dim + _OF_A_PAIR + _OF_A_NEIGHBOUR * VOTERS)
    return found


def _pairs(labels: Rows | None, images: int, reference: Reference | None) -> int:
    """How many pairs of an image and one that may be its neighbour there are."""
    pool = images if reference is None else len(reference.latents)
    among = labels if reference is None else reference.labels
    if labels is None or among is None or images * pool < _FEW:
        return images * pool
    asked = dict(zip(*(each.tolist() for each in np.unique(labels, return_counts=True)), strict=True))
    sizes = asked if reference is None else reference.sizes
    return sum(count * (pool if label == UNLABELLED else sizes.get(label, 0)) for label, count in asked.items())
