"""How a command is told to read images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentaug.imaging.pixels import MAX_SIDE, MIN_SIDE


@dataclass(frozen=True)
class ReadAs:
    """How the images of a folder or a file are read.

    Attributes:
        unlabelled: a folder of more images, without labels, that go with a folder; or None.
        size: height and width in pixels that every image is resized to, or None.
        skip_bad: whether to go on without images that cannot be read.
        bits: how many bits the values of 16-bit images use; None for as few as hold the largest.
    """

    unlabelled: Path | None = None
    size: tuple[int, int] | None = None
    skip_bad: bool = False
    bits: int | None = None

    @property
    def marks(self) -> str:
        """What it adds to the name of a data set, so that the same images read otherwise are not taken for it."""
        size = f"-{self.size[0]}x{self.size[1]}" if self.size else ""
        return size + ("-readable" if self.skip_bad else "") + (f"-{self.bits}bits" if self.bits else "")

    @property
    def upload(self) -> Mapping[str, Any]:
        """The options of an upload that say the same, besides the other folder."""
        return {"size": self.size, "skip_bad": self.skip_bad, "bits": self.bits}


PLAIN = ReadAs()


def path_of(typed: str) -> Path:
    """The path that was typed.

    Raises:
        ValueError: nothing was, as where a shell's variable is not set; it would be the folder that one is in.
    """
    if not typed:
        raise ValueError("an empty text names no folder or file; name one, or a dot for the folder that you are in")
    return Path(typed)


def read_as(unlabelled: Path | None, size: str | None, skip_bad: bool, bits: int | None) -> ReadAs:
    """What these options, as they were typed, say; raises what `pair` raises."""
    return ReadAs(unlabelled, None if size is None else pair(size), skip_bad, bits)


def pair(size: str) -> tuple[int, int]:
    """The height and width that `28x28` says.

    Raises:
        ValueError: it says none, or one that no model is made for.
    """
    sides = re.fullmatch(r"(\d+) ?[xX] ?(\d+)", size.strip(), re.ASCII)
    if sides is None:
        raise ValueError(f"is a height and a width in pixels, such as 28x28, and not {size!r}")
    height, width = int(sides[1]), int(sides[2])
    if not (MIN_SIDE <= height <= MAX_SIDE and MIN_SIDE <= width <= MAX_SIDE):
        raise ValueError(f"is a height and a width of {MIN_SIDE} to {MAX_SIDE} pixels each, and not {size!r}")
    return height, width
