"""A small residual network that classifies images of any size, quick enough to be trained hundreds of times on a CPU.

What is computed at full resolution decides how long a step takes. So the first convolution has a stride, by which no
image has more than 16 pixels a side behind it, and three residual stages follow, at that size, at half and at a quarter
of it. Training takes a fixed number of steps, whatever is added to the labelled images, with a one-cycle learning rate
(Smith and Topin 2018).
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from latentaug.evaluation.batches import batches
from latentaug.evaluation.mixing import MIXERS
from latentaug.options import Mixing

Samples = NDArray[np.float32]
Labels = NDArray[np.int64]
ImageShape = tuple[int, ...]
"""Height, width and channels."""

STEPS = 200
"""The CNN takes at least as many steps."""
BATCH = 32
EPOCHS = 10
"""Passes over the labelled images that it takes where they are many."""
WIDTHS = (32, 64, 128)
"""Channels of each stage."""
MOST_SIDE = 16
"""Pixels a side that the first stage has at most."""
LEARNING_RATE = 4e-3
WEIGHT_DECAY = 0.05
SMOOTHING = 0.1
"""Of the labels: in a trial of 4 draws it gained 5 points with 30 labelled digits, and 1 with 100."""

_CHUNK = 256


def steps(labelled: int) -> int:
    """Steps in every arm: about 10 passes over the labelled images without new ones, at least 200."""
    return max(STEPS, math.ceil(EPOCHS * labelled / BATCH))


class CNN:
    """A residual network, trained with AdamW for fixed steps, on the same images mixed where `mixing` says so."""

    def __init__(
        self,
        classes: int,
        seed: int,
        image_shape: ImageShape,
        steps: int = STEPS,
        mixing: Mixing | None = None,
        device: str = "cpu",
    ) -> None:
        self.classes, self.seed, self.image_shape, self.steps = classes, seed, image_shape, steps
        self.mix, self.device = MIXERS[mixing] if mixing else None, torch.device(device)

    def fit(self, X: Samples, y: Labels) -> None:
        """Learn from float32 [n, h * w * c] in 0..1 and int64 [n]."""
        samples, labels = torch.from_numpy(X).to(self.device), torch.from_numpy(y).to(self.device)
        forked = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=forked):  # leaves the caller's random numbers as they were
            torch.manual_seed(self.seed)
            self._network = network(self.image_shape, self.classes).to(self.device)
            optimizer = torch.optim.AdamW(
                self._network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
            )
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=self.steps + 1)
            for rows in batches(len(X), self.steps, BATCH):
                optimizer.zero_grad()
                self._loss(self._images(samples[rows]), labels[rows]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()

    @torch.no_grad()
    def predict(self, X: Samples) -> Labels:
        """Classify float32 [m, h * w * c] in 0..1: int64 [m]."""
        self._network.eval()
        chunks = [torch.from_numpy(X[start : start + _CHUNK]).to(self.device) for start in range(0, len(X), _CHUNK)]
        found = torch.cat([self._network(self._images(chunk)).argmax(dim=1) for chunk in chunks])
        labels: Labels = found.cpu().numpy()
        return labels

    def _images(self, samples: Tensor) -> Tensor:
        """Samples as images of mean about 0: [b, h * w * c] to [b, c, h, w], without a copy channels last."""
        height, width, channels = self.image_shape
        return (4 * samples - 2).view(-1, height, width, channels).permute(0, 3, 1, 2)

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy with smoothed labels, of mixed images with both of their labels."""
        if self.mix is None:
            return functional.cross_entropy(self._network(images), labels, label_smoothing=SMOOTHING)
        mixed = self.mix(images)
        logits = self._network(mixed.images)  # [b, classes]
        own = functional.cross_entropy(logits, labels, label_smoothing=SMOOTHING)
        other = functional.cross_entropy(logits, labels[mixed.partner], label_smoothing=SMOOTHING)
        return mixed.share * own + (1 - mixed.share) * other


class Block(nn.Module):
    """Two convolutions beside a shortcut; the second starts at zero, so that the block starts as the shortcut alone.

    Source: He et al. 2016; averaging in the shortcut and the start at zero from He et al. 2019, "Bag of Tricks".
    """

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            last := nn.BatchNorm2d(width),
        )
        nn.init.zeros_(last.weight)
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
            nn.Conv2d(inputs, width, 1, bias=False) if inputs != width else nn.Identity(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[b, inputs, h, w] to [b, width, h / stride, w / stride], rounded up."""
        return functional.relu(self.body(x) + self.shortcut(x))


class Pool(nn.Module):
    """The mean and the largest value of each channel: how much there is of something, and whether there is any."""

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, h, w] to [b, 2 * c]."""
        return torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)


def network(image_shape: ImageShape, classes: int) -> nn.Sequential:
    """Images [b, c, h, w] to logits [b, classes]."""
    height, width, channels = image_shape
    stride = 1
    while max(height, width) > MOST_SIDE * stride:
        stride *= 2
    kernel = max(3, 2 * stride - 1)
    stem = [
        nn.Conv2d(channels, WIDTHS[0], kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(WIDTHS[0]),
        nn.ReLU(),
    ]  # [b, 32, at most 16, at most 16]
    stages = [
        Block(WIDTHS[0], WIDTHS[0], 1),
        *(Block(inputs, width, 2) for inputs, width in pairwise(WIDTHS)),
    ]  # [b, 128, at most 4, at most 4]
    return nn.Sequential(*stem, *stages, Pool(), nn.Linear(2 * WIDTHS[-1], classes))
