"""Colour images that ship in packages, as data sets: crops of scikit-image's photographs, and small pictures (emoji).

crops    5 photographs, 400 random crops of each, 96x128; the class is the photograph
emoji    1,849 emoji of the font Noto Color Emoji on white, 64x64; the class is the group that Unicode puts them in
         (Debian: apt-get install fonts-noto-color-emoji)
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from emojis.db import db
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from latentaug.datasets import Dataset
from latentaug.datasets.splitting import split

PHOTOGRAPHS = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "motorcycle_left.png")
CROPS = 400
"""Of each photograph."""
CROP_SIZE = (96, 128)
"""Height and width in pixels."""
CROPPED = 0.35, 0.9
"""Smallest and largest size of a crop, as a share of the largest that fits."""
FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
FONT_SIZE, FONT_CANVAS, EMOJI_SIDE = 109, (136, 128), 64
"""The one size of the font's pictures, the canvas that they fill, and the side that they are scaled to, in pixels."""


def crops(seed: int = 0, size: tuple[int, int] = CROP_SIZE, each: int = CROPS) -> Dataset:
    """Random crops of photographs, so many of each, left as they are or mirrored; their class is the photograph."""
    rng, images = np.random.default_rng(seed), list[NDArray[np.uint8]]()
    for name in PHOTOGRAPHS:
        with as_file(files("skimage.data") / name) as path:
            photograph = Image.open(path).convert("RGB")
        images += [_crop(photograph, size, rng) for _ in range(each)]
    return _dataset("crops", images, [Path(name).stem for name in PHOTOGRAPHS for _ in range(each)], "scikit-image")


def emoji() -> Dataset:
    """Emoji on white, with the group that they belong to as their class."""
    if not FONT.is_file():
        raise SystemExit(f"{FONT} is missing; on Debian, run apt-get install fonts-noto-color-emoji")
    font = ImageFont.truetype(str(FONT), FONT_SIZE)
    entries = [(entry.emoji, entry.category) for entry in db.EMOJI_DB]
    return _dataset("emoji", [_drawn(text, font) for text, _ in entries], [group for _, group in entries], str(FONT))


SETS: dict[str, Callable[[], Dataset]] = {"crops": crops, "emoji": emoji}


def _crop(photograph: Image.Image, size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = size
    scale = rng.uniform(*CROPPED) * min(photograph.width / width, photograph.height / height)
    left, top = rng.uniform(0, photograph.width - scale * width), rng.uniform(0, photograph.height - scale * height)
    box = (left, top, left + scale * width, top + scale * height)
    crop = np.asarray(photograph.resize((width, height), Image.Resampling.BICUBIC, box=box))  # [h, w, 3]
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def _drawn(text: str, font: ImageFont.FreeTypeFont) -> NDArray[np.uint8]:
    canvas = Image.new("RGB", FONT_CANVAS, "white")
    ImageDraw.Draw(canvas).text((0, 0), text, font=font, embedded_color=True)
    return np.asarray(canvas.resize((EMOJI_SIDE, EMOJI_SIDE), Image.Resampling.LANCZOS))


def _dataset(name: str, images: list[NDArray[np.uint8]], labels: list[str], source: str) -> Dataset:
    classes, numbers = np.unique(labels, return_inverse=True)
    train, validation, test = split(len(images), numbers.astype(np.int64))
    return Dataset(
        name, np.stack(images), numbers.astype(np.int64), tuple(map(str, classes)), train, validation, test, source
    )
