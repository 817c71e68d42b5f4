"""Pictures of another kind, to be mixed into a pool of digits: what has no right label should get none."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from latentaug.augment.distortion import reduced
from latentaug.datasets import Dataset

Images = NDArray[np.uint8]

SHARE, MOST = 0.05, 900
"""As many of each kind as this share of the pool, but at most so many, and as there are."""
SAMPLE = 1000
"""Images that tell how large the digits are."""
OTHERWISE = ("3", "4", "7")
"""Digits that are none when they stand on their heads."""
ALIKE = frozenset("oOlIzZsSbqgBQDJ")
"""Letters that may be taken for digits."""


def strangers(dataset: Dataset, letters: Dataset, seed: int) -> dict[str, Images]:
    """Pictures of several kinds, in the shape of a data set of digits, uint8 [n, h, w, 1].

    Args:
        dataset: its validation part gives the digits that are altered, so that none of them is in the pool.
        letters: UJIPEN, of which the letters are made as large and as bright as the digits.
        seed: decides which of the pictures are taken.
    """
    rng = np.random.default_rng(seed)
    number = min(MOST, round(SHARE * len(dataset.train)))
    digits = rng.permutation(dataset.validation)
    turnable = digits[np.isin(digits, _of(dataset, set(OTHERWISE)))]
    shape = dataset.images.shape[1:]
    written = rng.permutation(_of(letters, {name for name in letters.classes if name.isalpha()} - ALIKE))
    return {
        "letters": framed(letters.images[written[:number]], dataset.images),
        "upside down": dataset.images[turnable[:number], ::-1, ::-1],
        "inverted": 255 - dataset.images[digits[:number]],
        "noise": rng.integers(0, 256, (number, *shape), np.uint8),
    }


def framed(images: Images, others: Images) -> Images:
    """Images uint8 [n, h, w, 1] of white on black, as large, as bright and in the same frame as others [m, H, W, 1]."""
    extent = round(float(np.median([max(each.shape) for each in map(_cropped, others[:SAMPLE])])))
    bright = float(np.median(others.max(axis=(1, 2, 3))))
    made = np.zeros((len(images), *others.shape[1:]), np.uint8)
    for image, frame in zip(map(_cropped, images), made, strict=True):
        small = reduced(torch.tensor(image)[None, None].float(), extent)[0, 0].numpy()  # [h, w]
        top, left = ((whole - own) // 2 for whole, own in zip(frame.shape, small.shape, strict=False))
        frame[top : top + small.shape[0], left : left + small.shape[1], 0] = np.rint(small * (bright / small.max()))
    return made


def _cropped(image: Images) -> Images:
    """What is not black of an image [h, w, 1], and the least around it, [height, width]."""
    rows, columns = (np.flatnonzero(image.any(axis=axes)) for axes in ((1, 2), (0, 2)))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, 0]


def _of(dataset: Dataset, names: set[str]) -> NDArray[np.int64]:
    """Rows of the images of some classes."""
    assert dataset.labels is not None
    return np.flatnonzero(np.isin(dataset.labels, [i for i, name in enumerate(dataset.classes) if name in names]))
