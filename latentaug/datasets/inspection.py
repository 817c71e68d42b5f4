"""A look at a data set before anything is learnt from it: what is probably not as it was meant, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets.dataset import UNLABELLED
from latentaug.imaging.arrays import largest, told_dark
from latentaug.imaging.intake import Sizes, size_words
from latentaug.imaging.layout import listed
from latentaug.imaging.pixels import MAX_SIDE, MIN_SIDE, Pixels
from latentaug.options import Strength

NEARLY_BLACK = 31
"""An image with no value above this, of 255, is told of."""
PROPOSED_SIDE = 128
"""Longer side, in pixels, of the size that is proposed for images of many or large sizes."""
_NEEDED = Strength.model_fields["k"].default + 1

Rows = NDArray[np.int64]


def look(images: Pixels, labels: Rows | None, classes: Sequence[str], files: Sequence[str] | None) -> list[str]:
    """What to know about the images, uint8 [n, h, w, c], and the classes of labelled ones, int64 [n]."""
    return _values(images, files) + ([] if labels is None else _classes(labels, classes))


def sizes_differ(sizes: Sizes, files: Sequence[str] | None) -> str:
    """What is wrong with images of several heights and widths, with the names of some, and what to do."""
    counts = Counter(sizes)
    common = counts.most_common(3)
    shown = ", ".join(
        f"{_how_many(n)} {size_words(size)} (such as {_file(files, sizes.index(size))})" for size, n in common
    )
    more = f", and {len(counts) - len(common)} sizes more" if len(counts) > len(common) else ""
    return f"the images have {len(counts)} sizes: {shown}{more}; resize all to one, such as size={proposed(sizes)}"


def proposed(sizes: Sizes) -> str:
    """A size that suits images of these heights and widths: the commonest one, smaller where that is large."""
    height, width = Counter(sizes).most_common(1)[0][0]
    if min(height, width) >= MIN_SIDE and max(height, width) <= MAX_SIDE:
        return size_words((height, width))
    scale = PROPOSED_SIDE / max(height, width)
    return size_words((max(MIN_SIDE, round(height * scale)), max(MIN_SIDE, round(width * scale))))


def given(folders: Sequence[str | None], parts: Mapping[str, int]) -> list[str]:
    """That the parts are those of the upload's folders, and which of them were drawn for want of a folder."""
    counts = ", ".join(f"{name} {count:,}" for name, count in parts.items())
    drawn = " and ".join(name for name in ("validation", "test") if name not in folders)
    lacking = f"; those of {drawn} were drawn from the training images, for want of a folder" if drawn else ""
    return [f"The parts are those of the folders: {counts} images{lacking}."]


def leaks(given: Sequence[str | None], pictures: Rows, files: Sequence[str] | None) -> list[str]:
    """That test or validation images show what training images show, where the parts are those that images came in."""
    first: dict[int, int] = {}
    for row, (part, picture) in enumerate(zip(given, pictures.tolist(), strict=True)):
        if part == "train":
            first.setdefault(picture, row)
    held = [row for row, part in enumerate(given) if part in ("validation", "test")]
    shown = [row for row in held if int(pictures[row]) in first]
    if not shown:
        return []
    what = "shows" if len(shown) == 1 else "show"
    one, other = _file(files, shown[0]), _file(files, first[int(pictures[shown[0]])])
    return [
        f"Of the validation and test images, {len(shown):,} {what} what a training image shows, such as {one} and "
        f"{other}. Accuracy on them says too much. Remove them; or upload all images without folders for parts, which "
        "keeps copies together."
    ]


def _values(images: Pixels, files: Sequence[str] | None) -> list[str]:
    if told := told_dark(largest(images)):
        return told
    lightest, darkest = images.max(axis=(1, 2, 3)), images.min(axis=(1, 2, 3))  # [n]
    flat = np.flatnonzero(lightest == darkest)
    if len(flat):
        told.append(f"{_how_many(len(flat))} of one colour all over: {_named(files, flat)}.")
    dark = np.flatnonzero((lightest <= NEARLY_BLACK) & (lightest != darkest))
    if len(dark):
        black = f"nearly black, with no value above {NEARLY_BLACK} of 255"
        told.append(f"{_how_many(len(dark))} {black}: {_named(files, dark)}.")
    return told


def _classes(labels: Rows, classes: Sequence[str]) -> list[str]:
    counts = np.bincount(labels[labels != UNLABELLED], minlength=len(classes))
    tiny = [f"{name} ({count})" for name, count in zip(classes, counts.tolist(), strict=True) if count < _NEEDED]
    if not tiny:
        return []
    which = "1 class has" if len(tiny) == 1 else f"{len(tiny)} classes have"
    most = int(counts.min()) - 1
    advice = f"set k to {most} at most" if most else "use noise, which needs none"
    return [
        f"{which} fewer than {_NEEDED} images, too few for {_NEEDED - 1} neighbours each: {listed(tiny)}. Add images, "
        f"or {advice}."
    ]


def _named(files: Sequence[str] | None, rows: Rows) -> str:
    return listed([_file(files, row) for row in rows.tolist()])


def _file(files: Sequence[str] | None, row: int) -> str:
    return f"row {row}" if files is None else files[row][-100:]


def _how_many(count: int) -> str:
    return "1 image is" if count == 1 else f"{count:,} images are"
