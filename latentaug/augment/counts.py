"""How many children each image shall have: a number for each image, for each class, or until classes are equal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets import UNLABELLED
from latentaug.errors import InvalidInput, TooLarge
from latentaug.options import AugmentOptions, AugmentParams

Rows = NDArray[np.int64]

MOST_OF_A_JOB = 1_000_000
"""New images that one job makes at most."""
BESIDE_PIXELS = 1024
"""Bytes that an image takes in a zip beside its pixels: its name and its origin, in its PNG and in the manifest."""


def most_of_a_job(shape: Sequence[int], most_bytes: int) -> int:
    """How many new images of this shape one job makes at most, whose zip has at most `most_bytes`."""
    return min(MOST_OF_A_JOB, most_bytes // (math.prod(shape) + BESIDE_PIXELS))


def check_job(wanted: int, sources: int, shape: Sequence[int], most_bytes: int) -> None:
    """Refuse a job that would make too many new images.

    Args:
        wanted: how many it would make.
        sources: images that they are made of.
        shape: of each, height, width and channels.
        most_bytes: most bytes of a zip.

    Raises:
        TooLarge: the message says how many of each image fit.
    """
    most = most_of_a_job(shape, most_bytes)
    if wanted > most:
        each = most // sources
        advice = (
            f"per_image can be up to {each}" if each else "per_class and balance can ask for fewer than one of each"
        )
        raise TooLarge(
            f"this job would make {wanted} new images of {sources} images, and one job makes at "
            f"most {most} of this size; ask for fewer: {advice}"
        )


def counted(options: AugmentOptions | AugmentParams, n: int, labels: Rows | None) -> Rows | None:
    """Count the new images of each of n images, int64 [n]; None where neither exact numbers nor filters are asked for.

    Args:
        options: what is asked for.
        n: images.
        labels: int64 [n], in which an image may be `UNLABELLED`; or None.

    Raises:
        InvalidInput: numbers by class without labels.
    """
    if options.per_class is None and options.balance is None:
        if options.per_image is None and not options.filters:
            return None
        return children_of_each(n, labels, per_image=options.per_image or options.children)
    return children_of_each(n, labels, per_class=options.per_class, balance=options.balance)


def children_of_each(
    n: int,
    labels: Rows | None,
    *,
    per_image: int | None = None,
    per_class: int | None = None,
    balance: str | None = None,
) -> Rows:
    """Count the children of each of n images. Within a class counts differ by at most one, and the first get more.

    Args:
        n: number of images.
        labels: int64 [n], in which an image may be `UNLABELLED`; or None.
        per_image: children of each image, labelled or not.
        per_class: children of each class; unlabelled images get none.
        balance: a text that `options.BALANCE` matches: as many children as bring each class to that size; a larger
            class gets none, and unlabelled images get none.

    Returns:
        int64 [n].

    Raises:
        InvalidInput: not exactly one of the three is given, or classes are to be counted and there are no labels.
    """
    given = {"per_image": per_image, "per_class": per_class, "balance": balance}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise InvalidInput(f"give one of {', '.join(given)}, not {' and '.join(named) or 'none'}")
    if per_image is not None:
        return np.full(n, per_image, np.int64)
    if labels is None or (labels == UNLABELLED).all():
        message = f"{named[0]} counts by class, and the images have no labels; send labels, or use per_image"
        raise InvalidInput(message, fields=[(named[0], message)])
    labelled = labels != UNLABELLED
    classes, members, sizes = np.unique(labels[labelled], return_inverse=True, return_counts=True)
    if per_class is not None:
        wanted = np.full(len(classes), per_class, np.int64)
    else:
        wanted = np.maximum(0, _target(str(balance), sizes) - sizes)
    place = np.empty(len(members), np.int64)  # of each labelled image in its class
    for number in range(len(classes)):
        rows = np.flatnonzero(members == number)
        place[rows] = np.arange(len(rows))
    each, left = np.divmod(wanted, sizes)
    counts = np.zeros(n, np.int64)
    counts[labelled] = each[members] + (place < left[members])
    return counts


def _target(balance: str, sizes: Rows) -> int:
    if balance == "majority":
        return int(sizes.max())
    return round(float(sizes.mean())) if balance == "mean" else int(balance)
