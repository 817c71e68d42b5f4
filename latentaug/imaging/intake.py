"""Images taken from files one by one, within the limits of a batch, and what to tell about those that were not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentaug.errors import LatentaugError, MalformedInput, TooLarge
from latentaug.imaging.depth import Levels
from latentaug.imaging.formats import OTHER_IMAGES
from latentaug.imaging.layout import MAX_LABEL, listed
from latentaug.imaging.phrases import counted
from latentaug.imaging.pixels import Decoded, Limits, decode, fit

MOST_UNREADABLE = 1000
"""Images that cannot be read, at most, that an error or a description lists."""
MOST_IN_A_SENTENCE = 20
"""Of these, at most, that a sentence names."""
MOST_EFFORT = 16
"""Pixels that are decoded at most for each byte that a batch may hold: of photos that are resized, or in many scans."""

Size = tuple[int, int]
"""Height and width in pixels."""
Sizes = Sequence[Size]


@dataclass(frozen=True)
class Unreadable:
    """An image that was not taken.

    Attributes:
        file: its path or other name.
        reason: why not.
        place: where a request's fields hold it; by default the same as its name.
    """

    file: str
    reason: str
    place: str | None = None


class Remarks:
    """What there is to tell about images that were decoded."""

    def __init__(self) -> None:
        self._frames: list[str] = []
        self._laid_on: dict[str, list[str]] = {"white": [], "black": []}
        self._left_over: list[str] = []

    def add(self, name: str, decoded: Decoded) -> None:
        """Note what is to be told about one image."""
        if decoded.frames:
            self._frames.append(name)
        if decoded.background is not None:
            self._laid_on[decoded.background].append(name)
        if decoded.left_over:
            self._left_over.append(name)

    def warnings(self) -> list[str]:
        """All of it, in sentences."""
        told = []
        if self._frames:
            shown = listed(self._frames)
            told.append(f"{_images(self._frames)} with several frames or pages: the first was taken ({shown}).")
        if left := self._left_over:
            told.append(f"{_images(left)} with more than grey or colour in each pixel: that was left ({listed(left)}).")
        if black := self._laid_on["black"]:
            drawn = f"{_images(black)} with nearly white drawings on nothing"
            told.append(f"{drawn} {_were(black)} laid on black ({listed(black)}).")
        if white := self._laid_on["white"]:
            told.append(f"{_images(white)} with transparent pixels {_were(white)} laid on white ({listed(white)}).")
        return told


class Intake:
    """Takes images from files.

    Args:
        limits: bounds on the batch.
        size: what images of 8 bits are resized to as soon as they are decoded, with the aspect kept and the rest
            filled, so that large photos are never in memory together. Those of 16 bits are not, nor any if it is None.
    """

    def __init__(self, limits: Limits, size: Size | None = None) -> None:
        self.names: list[str] = []
        self.unreadable: list[Unreadable] = []
        self._limits = limits
        self._size = size
        self._sizes: list[Size] = []
        self._levels: list[Levels] = []
        self._bytes = 0
        self._effort = 0
        self._remarks = Remarks()
        self._error: LatentaugError | None = None

    def take(self, name: str, data: bytes, place: str | None = None) -> None:
        """Decode one file, and note it as unreadable if that fails; `place` is that of `Unreadable`.

        Raises:
            TooLarge: the images taken so far and this one are over the limits on a batch.
        """
        try:
            decoded = decode(data, self._limits)
        except LatentaugError as error:
            self._error = self._error or error
            self.refuse(name, error.detail, place)
            return
        self._remarks.add(name, decoded)
        levels = decoded.levels
        self._effort += decoded.effort
        if self._effort > MOST_EFFORT * self._limits.max_bytes:
            raise TooLarge(
                f"the images up to {name[-MAX_LABEL:]} take too much work to decode; send fewer, or make them smaller"
            )
        if self._size is not None and levels.dtype == np.uint8:
            self._sizes.append((levels.shape[0], levels.shape[1]))
            levels = fit([levels.view(np.uint8)], *self._size, levels.shape[2], resize=True)[0]
        self._bytes += levels.size
        if len(self._levels) == self._limits.max_images or self._bytes > self._limits.max_bytes:
            raise TooLarge(
                f"there are more than {self._limits.max_images} images or {self._limits.max_bytes} bytes of pixels; "
                "send fewer, or smaller ones"
            )
        self._limits.room(levels.nbytes)
        self.names.append(name)
        self._levels.append(levels)

    def expect(self, images: int) -> None:
        """Refuse so many images before any is decoded, if they would be too many once they are resized.

        Raises:
            TooLarge: says how many may be sent.
        """
        most = self._limits.max_bytes // math.prod(self._size) if self._size is not None else images
        if images > most:
            raise TooLarge(
                f"{images:,} images of the size that was asked for hold more than {self._limits.max_bytes} bytes; send "
                f"at most {most:,}, or name a smaller size"
            )

    def refuse(self, name: str, reason: str, place: str | None = None) -> None:
        """Note that a file is an image that is not taken."""
        self.unreadable.append(Unreadable(name[-MAX_LABEL:], reason, place))

    def check(self, advice: str = "leave such images out, or save them anew") -> None:
        """Refuse the batch if an image could not be read, naming all such images at once, with this advice.

        Raises:
            MalformedInput: or the error of the first such image, if that has another kind.
        """
        if not self.unreadable:
            return
        count = len(self.unreadable)
        raise (type(self._error) if self._error else MalformedInput)(
            f"{counted(count, 'image')} cannot be read: {listed_unreadable(self.unreadable)}; {advice}",
            fields=[(bad.place or bad.file, bad.reason) for bad in self.unreadable[:MOST_UNREADABLE]],
        )

    def images(self) -> list[Levels]:
        """All images taken, in order."""
        return self._levels

    def warnings(self) -> list[str]:
        """What to tell about how the images were read, in sentences."""
        return (resized(self._sizes, self._size) if self._size is not None else []) + self._remarks.warnings()


def resized(sizes: Sizes, size: Size) -> list[str]:
    """That images of several sizes were resized to one."""
    others = sorted(set(sizes) - {size}, key=lambda side: side[0] * side[1])
    if not others:
        return []
    smallest, largest = size_words(others[0]), size_words(others[-1])
    extent = smallest if len(others) == 1 else f"sizes such as {smallest} and {largest}"
    count = sum(other != size for other in sizes)
    were = f"{counted(count, 'image')} {'was' if count == 1 else 'were'}"
    told = [f"{were} resized to {size_words(size)} from {extent}, with the aspect kept and the rest filled."]
    lying = [(other[0] < other[1]) != (size[0] < size[1]) for other in sizes if other[0] != other[1]]
    if size[0] != size[1] and sum(lying) > len(sizes) / 2:
        told.append(f"Sizes are height x width, so {size_words((size[1], size[0]))} would fit most of them better.")
    return told


def size_words(size: Size) -> str:
    """A height and a width as options take them, such as 28x28."""
    return f"{size[0]}x{size[1]}"


def listed_unreadable(unreadable: Sequence[Unreadable], most: int | None = MOST_IN_A_SENTENCE) -> str:
    """The first images that cannot be read, or all, by what is wrong with them, and how many there are besides."""
    reasons: dict[str, list[str]] = {}
    for bad in unreadable[:most]:
        reasons.setdefault(bad.reason, []).append(bad.file)
    shown = "; ".join(f"{', '.join(files)}: {reason}" for reason, files in reasons.items())
    more = len(unreadable) - (len(unreadable) if most is None else most)
    return shown + (f"; and {more:,} more" if more > 0 else "")


def unsupported(name: str) -> str | None:
    """Why an image of a format that is not read cannot be taken, by its name; None for any other file."""
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    return f"{suffix[1:].upper()} is not read; save it as PNG or JPEG" if suffix in OTHER_IMAGES else None


def _images(names: Sequence[str]) -> str:
    return counted(len(names), "image")


def _were(names: Sequence[str]) -> str:
    return "was" if len(names) == 1 else "were"
