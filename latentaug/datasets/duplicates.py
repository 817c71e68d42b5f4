"""Images of a data set that show the same picture, byte for byte or nearly: found, counted and told in words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from latentaug.datasets.near_copies import Pairs, near_pairs
from latentaug.datasets.selection import Selection
from latentaug.imaging.pixels import Pixels

APART = 2.0
"""The nearest image outside a group of near copies differs at least this many times as much as those within."""
FEWEST_PICTURES = 3
"""Fewest different pictures whose images can be kept together, as each part of a data set needs a picture."""
MOST_COMPARED = 2**20
"""Images among which near copies are looked for: that takes half a kilobyte for each, and minutes for all."""
MOST_EXAMPLES = 10
"""Pictures that are shown as examples of those with copies."""
MOST_COPIES = 5
"""Images that are shown of each of them."""
MOST_LETTERS = 100
"""Letters, the last ones, that are shown of an image's path."""

Rows = NDArray[np.int64]
Labels = Sequence[str | None]


@dataclass(frozen=True)
class Copies:
    """Which images of a data set show the same picture.

    Attributes:
        pictures: for each image, the first row that shows the same picture, int64 [n].
        exact: whether an earlier image is the same byte for byte, bool [n].
    """

    pictures: Rows
    exact: NDArray[np.bool_]


class Copy(BaseModel):
    """One of several images that show the same picture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    row: int
    """Row of the image in the data set."""
    file: str | None
    """Path of the image in the upload; null if it was no file."""
    label: str | None


class Duplicates(BaseModel):
    """How many images of a data set are copies of others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exact: int
    """Number of images that equal an earlier one byte for byte."""
    near: int
    """Number of images that show the same picture as an earlier one, and equal none."""
    groups: int
    """Number of pictures that several images show."""
    conflicting: int
    """Number of those pictures whose images have different labels."""
    examples: list[list[Copy]]
    """Some images of some of those pictures; those with different labels come first."""


def find(images: Pixels) -> Copies:
    """Find out which of the images, uint8 [n, h, w, c], show the same picture.

    Of more than `MOST_COMPARED`, those alone do that are equal byte for byte.
    """
    first = _equal(images)
    own = np.arange(len(images))
    if len(images) > MOST_COMPARED:
        return Copies(first, first != own)
    different = np.flatnonzero(first == own)
    pictures = _isolated(len(different), near_pairs(Selection(images, different), farthest=APART))
    return Copies(different[pictures][np.searchsorted(different, first)], first != own)


def describe(copies: Copies, labels: Labels, files: Sequence[str] | None) -> Duplicates:
    """Count copies, and show some.

    Args:
        copies: what `find` found.
        labels: the name of each image's label, None for an image without one.
        files: each image's path in the upload, or None.
    """
    order = np.argsort(copies.pictures, kind="stable")
    ends = [*(np.flatnonzero(np.diff(copies.pictures[order])) + 1).tolist(), len(order)]
    groups = [order[start:end].tolist() for start, end in pairwise([0, *ends]) if end - start > 1]
    named = [len({labels[row] for row in group} - {None}) for group in groups]
    exact = int(copies.exact.sum())
    return Duplicates(
        exact=exact,
        near=sum(len(group) - 1 for group in groups) - exact,
        groups=len(groups),
        conflicting=sum(count > 1 for count in named),
        examples=[
            [
                Copy(row=row, file=None if files is None else files[row][-MOST_LETTERS:], label=labels[row])
                for row in _by_turns(groups[number], labels)[:MOST_COPIES]
            ]
            for number in sorted(range(len(groups)), key=lambda number: named[number] < 2)[:MOST_EXAMPLES]
        ],
    )


def warnings(found: Duplicates, images: int) -> list[str]:
    """What to know about the copies among so many images; nothing if there are none."""
    told = []
    if images > MOST_COMPARED:
        told.append(
            f"Only images that are equal byte for byte were found to be copies, as there are over {MOST_COMPARED:,}. "
            "Leave out near copies yourself, such as images that were saved anew, or accuracy may be told too high."
        )
    count = found.exact + found.near
    if not count:
        return told
    one, other = found.examples[-1][:2]
    kept = (
        "All images of one picture are in the same part, so that nothing is tested on what it was trained on."
        if images - count >= FEWEST_PICTURES
        else "So few different pictures cannot be kept apart in training, validation and test; upload more."
    )
    told += [
        f"Of {images:,} images, {count:,} repeat{'s' * (count == 1)} an earlier one ({found.exact:,} byte for byte, "
        f"{found.near:,} nearly), such as {_name(other)}, which shows what {_name(one)} shows. {kept}"
    ]
    return told + conflicts(found)


def conflicts(found: Duplicates) -> list[str]:
    """That copies of one picture have different labels; nothing if none have."""
    if not found.conflicting:
        return []
    one, other = found.examples[0][:2]
    which = "1 picture has" if found.conflicting == 1 else f"{found.conflicting:,} pictures have"
    return [
        f"{which} different labels in different images, such as {_name(one)} ({one.label}) and {_name(other)} "
        f"({other.label}). Correct the labels or leave these images out, and upload the data set again."
    ]


def _name(image: Copy) -> str:
    return f"row {image.row}" if image.file is None else repr(image.file)


def _by_turns(group: list[int], labels: Labels) -> list[int]:
    """Rows in an order in which the first ones have different labels, if there are any such; a missing one is last."""
    first = {labels[row]: row for row in reversed(group)}
    return sorted(group, key=lambda row: (row != first[labels[row]], labels[row] is None, row))


def _equal(images: Pixels) -> Rows:
    """For each image, the first row with the same bytes."""
    told = bytearray()
    for image in images:
        told += hashlib.blake2b(image.tobytes(), digest_size=16).digest()
    digests = np.frombuffer(told, np.uint64).reshape(-1, 2)
    order = np.lexsort(digests.T)  # rows of one digest stay in their order
    new = np.ones(len(order), np.bool_)
    new[1:] = (digests[order[1:]] != digests[order[:-1]]).any(axis=1)
    first = np.empty(len(order), np.int64)
    first[order] = order[new][np.cumsum(new) - 1]
    return first


def _isolated(n: int, pairs: Pairs) -> Rows:
    """Groups of rows that small differences link and that are far from all others: for each row its group's first.

    Pairs are linked from the nearest on (single linkage). A group counts if its links are short enough for copies, and
    the one that would join it to others is at least `APART` times as long as its own longest: among pictures that are
    all alike, near is not near enough.
    """
    first = np.arange(n)
    group, longest = list(range(n)), dict[int, float]()
    members = {row: [row] for row in np.unique(pairs.rows).tolist()}

    def settle(number: int, next_link: float) -> None:
        if number in longest and longest[number] <= min(1, next_link / APART):
            first[members[number]] = min(members[number])

    for index in np.argsort(pairs.differences, kind="stable").tolist():
        link = float(pairs.differences[index])
        small, large = sorted(
            (group[row] for row in pairs.rows[index].tolist()), key=lambda number: len(members[number])
        )
        if small == large:
            continue
        settle(small, link)
        settle(large, link)
        for row in members[small]:
            group[row] = large
        members[large] += members.pop(small)
        longest[large] = link
    for number in members:
        settle(number, np.inf)
    return first
