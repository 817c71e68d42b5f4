"""A small folder of colour photos: crops of those that come with scikit-learn, in classes and without a label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

PLACES = {  # picture, and the rows and columns that crops of the class lie in
    "blossom": ("flower.jpg", (60, 400), (180, 600)),
    "roof": ("china.jpg", (120, 427), (150, 640)),
    "sky": ("china.jpg", (0, 130), (0, 400)),
}


def write(folder: Path, each: int, unlabelled: int, seed: int = 0) -> Path:
    """Write crops of scikit-learn's two photos as JPEG files of many sizes.

    Args:
        folder: where to write them, a folder for each class and one called `unlabelled`.
        each: how many of each class.
        unlabelled: how many without a label.
        seed: of where the crops lie.
    """
    rng = np.random.default_rng(seed)
    names = sorted(PLACES)
    for name in names:
        for i in range(each):
            _save(_crop(name, rng), folder / name / f"{i}.jpg")
    for i in range(unlabelled):
        _save(_crop(names[i % len(names)], rng), folder / "unlabelled" / f"{i}.jpg")
    return folder


def _crop(name: str, rng: np.random.Generator) -> Image.Image:
    picture, (top, bottom), (left, right) = PLACES[name]
    side = int(rng.integers(60, 120))
    y, x = int(rng.integers(top, bottom - side)), int(rng.integers(left, right - side))
    crop = Image.fromarray(load_sample_image(picture)[y : y + side, x : x + side])
    return crop.resize((int(rng.integers(64, 96)), int(rng.integers(64, 96))), Image.Resampling.BICUBIC)


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=92)
