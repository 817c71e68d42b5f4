"""A look at a data set before anything is learnt from it: what is probably not as it was meant, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets.dataset import counts_of
from latentaug.imaging.arrays import largest, told_dark
from latentaug.imaging.layout import listed
from latentaug.imaging.phrases import counted
from latentaug.imaging.pixels import Pixels
from latentaug.imaging.sizes import how_many, named_file
from latentaug.options import Strength

NEARLY_BLACK = 31
"""An image with no value above this, of 255, is told of."""
_MISSING = {"nan", "NaN", "NaT", "None", "<NA>", "null"}
"""What NaN and its like become as texts."""
_NEEDED = Strength.model_fields["k"].default + 1

Rows = NDArray[np.int64]


def look(
    images: Pixels, labels: Rows | None, train: Rows, classes: Sequence[str], files: Sequence[str] | None
) -> list[str]:
    """What to know about the images, uint8 [n, h, w, c], and the classes of labelled ones, int64 [n].

    `train` has the rows of the training part.
    """
    told = _values(images, files)
    if labels is None:
        return told
    told += told_missing(classes)
    if files is None:  # folders were compared when they were read
        told += _alike(classes)
    counts, to_train_on = (counts_of(some, len(classes)) for some in (labels, labels[train]))
    return [*told, *_tiny(counts, classes), *_few(counts, to_train_on, classes)]


def told_missing(classes: Iterable[str]) -> list[str]:
    """That a class may stand for labels that are missing, in a sentence; nothing if none may."""
    missing = [name for name in classes if name in _MISSING]
    if not missing:
        return []
    return [
        f"There is a class named {' and one named '.join(map(repr, missing))}, as missing labels read once they are "
        "texts. If those images have no label, send an empty text for each, or put them into a folder 'unlabelled'."
    ]


def given(folders: Sequence[str | None], parts: Mapping[str, int]) -> list[str]:
    """That the parts are those of the upload's folders, and which of them were drawn for want of a folder."""
    counts = ", ".join(f"{name} {count:,}" for name, count in parts.items())
    drawn = " and ".join(name for name in ("validation", "test") if name not in folders)
    lacking = f"; those of {drawn} were drawn from the training images, for want of a folder" if drawn else ""
    return [f"The folders say which part each image is in: {counts}{lacking}."]


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
    one, other = named_file(files, shown[0]), named_file(files, first[int(pictures[shown[0]])])
    return [
        f"Of the validation and test images, {len(shown):,} {what} what a training image shows, such as {one} and "
        f"{other}. Accuracy on them says too much. Remove them; or upload all images without folders for parts, which "
        "keeps copies together."
    ]


def _values(images: Pixels, files: Sequence[str] | None) -> list[str]:
    if told := told_dark(largest(images)):
        return told
    lightest = images.max(axis=(1, 2))  # [n, c]
    flat = np.flatnonzero((lightest == images.min(axis=(1, 2))).all(axis=1))
    if len(flat):
        told.append(f"{how_many(len(flat))} of one colour all over: {_named(files, flat)}.")
    dark = np.setdiff1d(np.flatnonzero((lightest <= NEARLY_BLACK).all(axis=1)), flat)
    if len(dark):
        black = f"nearly black, with no value above {NEARLY_BLACK} of 255"
        told.append(f"{how_many(len(dark))} {black}: {_named(files, dark)}.")
    return told


def _alike(classes: Sequence[str]) -> list[str]:
    """Names that only capital letters tell apart; of single letters they are as they should be."""
    spelt: dict[str, list[str]] = {}
    for name in classes:
        spelt.setdefault(name.casefold(), []).append(name)
    alike = [" and ".join(names) for names in spelt.values() if len(names) > 1 and len(names[0]) > 1]
    if not alike:
        return []
    return [f"Only capital letters tell these classes apart: {listed(alike)}. Give those that are one the same name."]


def _tiny(counts: Rows, classes: Sequence[str]) -> list[str]:
    tiny = [f"{name} ({count})" for name, count in zip(classes, counts.tolist(), strict=True) if count < _NEEDED]
    if not tiny:
        return []
    return [
        f"{_have(tiny)} fewer than {_NEEDED} images, too few for {_NEEDED - 1} neighbours each: {listed(tiny)}. Add "
        f"images, or {_most(counts)}."
    ]


def _few(counts: Rows, to_train_on: Rows, classes: Sequence[str]) -> list[str]:
    """Classes that are large enough, but not without the images of the other parts."""
    few = [
        f"{name} ({left} of {count})"
        for name, count, left in zip(classes, counts.tolist(), to_train_on.tolist(), strict=True)
        if left < _NEEDED <= count
    ]
    if not few:
        return []
    return [
        f"{_have(few)} fewer than {_NEEDED} images to train on, as the others are for validation and test: "
        f"{listed(few)}. For a job that makes new images of the training part alone, {_most(to_train_on)}."
    ]


def _have(classes: Sequence[str]) -> str:
    return f"{counted(len(classes), 'class')} {'has' if len(classes) == 1 else 'have'}"


def _most(counts: Rows) -> str:
    """What to do where the smallest class has so few images."""
    most = int(counts.min()) - 1
    return f"set k to {most} at most" if most > 0 else "use noise, which needs no neighbours"


def _named(files: Sequence[str] | None, rows: Rows) -> str:
    return listed([named_file(files, row) for row in rows.tolist()])
