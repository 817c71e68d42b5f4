"""Where the training images of an epoch come from: all of them from memory, or a window of a file after another.

A window is made of blocks of consecutive images, drawn from all of them. Its images are trained on in a random order,
while a thread reads the next window. So a file is read in large pieces, no image is seen beside the same others in two
epochs, and two windows are in memory, however large the file is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentaug.datasets.selection import Images, Selection

WINDOW_BYTES = 2**28
BLOCK_BYTES = 2**22


class Window(NamedTuple):
    """Images to train on: the first `length` of `images`, uint8 [n, h, w, c], on the device."""

    images: Tensor
    length: int


class Supply(Protocol):
    """The training images, uint8 [n, h, w, c].

    Attributes:
        images: the first that there will be on the device; until they are drawn only their kind counts.
        windowed: how many images a window has, or None where there are no windows.
    """

    images: Tensor
    windowed: int | None

    @property
    def sample(self) -> NDArray[np.uint8]:
        """So many of them as fit into a window, which decide some of the first weights."""

    def __len__(self) -> int:
        """How many there are."""

    def epoch(self, seed: int) -> Iterator[Window]:
        """All images once; a window is valid until the next one is asked for."""


def supply(train: Images, device: torch.device, batch: int) -> Supply:
    """The supply that suits the images: windows for those that are not in memory.

    Args:
        train: all training images.
        device: where they are wanted.
        batch: how many are trained on at a time. All windows but one have a whole number of batches.
    """
    return Windows(train, device, batch) if isinstance(train, Selection) else Whole(train, device)


class Whole:
    """All images, on the device from the start."""

    def __init__(self, train: NDArray[np.uint8], device: torch.device) -> None:
        self.sample = train
        self.windowed: int | None = None
        self.images = torch.tensor(train, device=device)

    def __len__(self) -> int:
        return len(self.images)

    def epoch(self, seed: int) -> Iterator[Window]:
        """All images as one window, in their own order."""
        yield Window(self.images, len(self.images))


class Windows:
    """A window of the images after another, each read while the one before it is in use."""

    def __init__(self, train: Selection, device: torch.device, batch: int) -> None:
        size = math.prod(train.shape[1:])
        self._train = train
        self._block = batch * max(1, BLOCK_BYTES // (batch * size))  # images
        self._blocks = -(-len(train) // self._block)
        self._together = min(self._blocks, max(1, WINDOW_BYTES // (self._block * size)))  # blocks
        length = min(len(train), self._together * self._block)
        self.windowed: int | None = length
        pinned = device.type == "cuda"
        self._read_into = [torch.empty((length, *train.shape[1:]), dtype=torch.uint8, pin_memory=pinned)]
        self._read_into.append(torch.empty_like(self._read_into[0], pin_memory=pinned))
        self.images = self._read_into[0].to(device)

    def __len__(self) -> int:
        return len(self._train)

    @property
    def sample(self) -> NDArray[np.uint8]:
        """The first window of one seed."""
        return self._read_into[0][: self._read(self._drawn(0)[0], 0)].numpy()

    def epoch(self, seed: int) -> Iterator[Window]:
        """Windows of blocks that the seed draws."""
        drawn = self._drawn(seed)
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(self._read, drawn[0], 0)
            for number in range(len(drawn)):
                count = coming.result()
                if number + 1 < len(drawn):
                    coming = reader.submit(self._read, drawn[number + 1], (number + 1) % 2)
                yield Window(self._on_device(self._read_into[number % 2]), count)

    def _drawn(self, seed: int) -> list[NDArray[np.int64]]:
        """The blocks of each window, in the order of the file."""
        order = np.random.default_rng(seed).permutation(self._blocks)
        return [np.sort(order[start : start + self._together]) for start in range(0, len(order), self._together)]

    def _read(self, blocks: NDArray[np.int64], into: int) -> int:
        """Read blocks; return how many images they have."""
        out, count = self._read_into[into].numpy(), 0
        for block in blocks.tolist():
            chosen = slice(block * self._block, min((block + 1) * self._block, len(self._train)))
            length = chosen.stop - chosen.start
            self._train.read(chosen, out[count : count + length])
            count += length
        return count

    def _on_device(self, window: Tensor) -> Tensor:
        """The window where it is trained on: always the same memory of a GPU, as its recorded steps want it."""
        if self.images.device.type == "cpu":
            return window
        return self.images.copy_(window)
