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
OTHERWISE = ("3", "4", "7")
"""Digits that are none when they stand on their heads."""
ALIKE = frozenset("oOlIzZsSbqgBQDJ")
"""Letters that may be taken for digits."""


def strangers(dataset: Dataset, letters: Dataset, seed: int) -> dict[str, Images]:
    """Pictures of several kinds, in the shape of a data set of digits, uint8 [n, h, w, 1].

    Args:
        dataset: its validation part gives the digits that are altered, so that none of them is in the pool.
        letters: UJIPEN, of which the pictures of letters are reduced to the shape of the digits.
        seed: decides which of the pictures are taken.
    """
    rng = np.random.default_rng(seed)
    number = min(MOST, round(SHARE * len(dataset.train)))
    digits = rng.permutation(dataset.validation)
    turnable = digits[np.isin(digits, _of(dataset, set(OTHERWISE)))]
    shape = dataset.images.shape[1:]
    written = letters.images[
        rng.permutation(_of(letters, {name for name in letters.classes if name.isalpha()} - ALIKE))
    ]
    return {
        "letters": _as_bright(reduced_to(letters.images[written[:number]], shape[0]), dataset.images),
        "upside down": dataset.images[turnable[:number], ::-1, ::-1],
        "inverted": 255 - dataset.images[digits[:number]],
        "noise": rng.integers(0, 256, (number, *shape), np.uint8),
    }


def reduced_to(images: Images, side: int) -> Images:
    """Square images uint8 [n, h, h, c], reduced to [n, side, side, c]."""
    levels = torch.tensor(images).permute(0, 3, 1, 2).float()  # [n, c, h, h]
    found: Images = reduced(levels, side).round().byte().permute(0, 2, 3, 1).numpy()
    return found


def _as_bright(images: Images, others: Images) -> Images:
    """Images whose brightest pixels are about as bright as those of others, for reducing makes thin lines faint."""
    own = images.max(axis=(1, 2, 3), keepdims=True).astype(np.float32)
    typical = float(np.median(others.max(axis=(1, 2, 3))))
    brighter: Images = np.rint(images * (typical / np.maximum(own, 1))).clip(0, 255).astype(np.uint8)
    return brighter


def _of(dataset: Dataset, names: set[str]) -> NDArray[np.int64]:
    """Rows of the images of some classes."""
    assert dataset.labels is not None
    return np.flatnonzero(np.isin(dataset.labels, [i for i, name in enumerate(dataset.classes) if name in names]))
