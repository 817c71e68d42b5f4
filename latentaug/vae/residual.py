"""A VAE for photos: a linear model of small copies of the images, and residual convolutions that add what it lacks.

The linear model is probabilistic principal component analysis (Tipping and Bishop, 1999), which is what a linear VAE
converges to (Lucas et al., 2019). It is found in a second and is a VAE already, with every latent in use, so training
does not start from noise but from there. The convolutions begin at zero. Patches of pixels become channels at once (Shi
et al., 2016), for what is computed at full resolution decides the time on a CPU.

A latent that the decoder's linear part makes little of is scaled down (`scale`), so that images whose latents are near
each other look alike. Within the network all latents have the prior N(0, 1).

Images are float32 [n, c, h, w] in 0..1, latents float32 [n, latent_dim].
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from latentaug.imaging.pixels import ROUNDING
from latentaug.vae.architectures import IN_USE, Architecture, pixels
from latentaug.vae.likelihoods import gaussian
from latentaug.vae.memory import together

WIDTHS = (64, 96, 128, 128)
"""Channels of each stage, from the finest."""
LONG_SIDE = 28
"""There are 3 stages, and 4 where the finest has more places than this along its shorter side."""
SAMPLE = 4096
"""Most images that the linear model is found from."""
SMALLEST_SCALE = 1e-3
"""Least scale of a latent, also of one that nothing is made of."""
CHUNK = 256
"""Images looked at together, at most."""


class Grid(NamedTuple):
    """How images become a grid of places, which each stage but the first halves.

    Attributes:
        shrink: how many times smaller the linear model's images are, each way.
        patch: side of the square of pixels that is a place of the finest stage.
        height: places of the finest stage.
        width: places of the finest stage.
        stages: how many there are.
    """

    shrink: int
    patch: int
    height: int
    width: int
    stages: int

    @staticmethod
    def of(height: int, width: int) -> Grid:
        """The grid for images of this size; they are padded to fill it."""
        longest = max(height, width)
        shrink = 2 if longest <= 64 else 4 if longest <= 160 else 8
        patch = 2 if longest <= 48 else max(4, shrink)
        stages = 3 if min(height, width) // patch <= LONG_SIDE else 4
        places = 2 ** (stages - 1)
        rows, columns = (-(-side // (patch * places)) * places for side in (height, width))
        return Grid(shrink, patch, rows, columns, stages)

    @property
    def small(self) -> tuple[int, int]:
        """Height and width of the linear model's images."""
        return self.height * self.patch // self.shrink, self.width * self.patch // self.shrink

    @property
    def coarsest(self) -> tuple[int, int]:
        """Places of the last stage."""
        places: int = 2 ** (self.stages - 1)
        return self.height // places, self.width // places


class Block(nn.Module):
    """Two 3x3 convolutions whose result is added to their input, [n, c, h, w]; the second begins at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c, h, w] to [n, c, h, w]."""
        added: Tensor = self.conv_2(functional.silu(self.conv_1(functional.silu(x))))
        return x + added


class ResidualVAE(nn.Module):
    """Encoder q(z|x) and decoder p(x|z), with the interface of `VAE`."""

    scale: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = a = architecture
        self.grid = grid = Grid.of(a.height, a.width)
        widths = WIDTHS[: grid.stages]
        small, flat = a.channels * math.prod(grid.small), widths[-1] * math.prod(grid.coarsest)
        # The linear model, of small copies of the images.
        self.small_mean = nn.Parameter(torch.zeros(small))
        self.project = nn.Linear(small, a.latent_dim, bias=False)
        self.restore = nn.Linear(a.latent_dim, small, bias=False)
        # What is added to it, in units of what the linear model leaves: else Adam's first steps would be far too long.
        self.detail = nn.Parameter(torch.ones(()))
        pairs = list(pairwise(widths))
        self.stem = nn.Conv2d(a.channels * grid.patch**2, widths[0], 3, padding=1)
        self.encoding = nn.ModuleList(Block(width) for width in widths)
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 3, stride=2, padding=1) for fine, coarse in pairs)
        self.posterior = nn.Linear(flat, 2 * a.latent_dim)
        self.register_buffer("scale", torch.ones(a.latent_dim))
        self.seed = nn.Linear(a.latent_dim, flat)
        self.decoding = nn.ModuleList(Block(width) for width in widths)
        self.up = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in pairs)
        self.patches = nn.Conv2d(widths[0], a.channels * grid.patch**2, 3, padding=1)
        self.pixels = nn.Conv2d(a.channels, a.channels, 5, padding=2)

    likelihood = staticmethod(gaussian)

    @torch.no_grad()
    def initialise(self, images: NDArray[np.uint8]) -> None:
        """Set the weights that training starts with, from the images and torch's global generator.

        The network is the linear model then: what is added to it is zero.

        Args:
            images: uint8 [n, h, w, c], of which at most `SAMPLE` are looked at.
        """
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    layer.bias.zero_()
        for layer in [self.posterior, self.patches, *(block.conv_2 for block in [*self.encoding, *self.decoding])]:
            layer.weight.zero_()
        nn.init.dirac_(self.pixels.weight)
        self._fit_linear(images[:: -(-len(images) // SAMPLE)])

    def _fit_linear(self, images: NDArray[np.uint8]) -> None:
        """Make the linear model that of the images [n, h, w, c]: principal components, scaled to N(0, 1).

        A component of variance v among the small images, which are means over squares of p x p pixels, has variance
        p^2 v among the images. With s the variance of what all components together leave, its weight is the square
        root of v - s / p^2, and a latent has the posterior variance s / (p^2 v).
        """
        small = torch.cat([self._small(x) for x in _chunks(images)])  # [n, small]
        self.small_mean.copy_(small.mean(dim=0))
        centred = small - self.small_mean
        count = min(self.architecture.latent_dim, *centred.shape)
        _, singular, components = torch.svd_lowrank(centred, q=count, niter=4)  # [count], [small, count]
        squares = torch.zeros((), dtype=torch.float64)
        for x, rows in zip(_chunks(images), torch.split(centred, _size(images)), strict=True):
            restored = self._enlarged(self.small_mean + rows @ components @ components.T)  # [chunk, c, h, w]
            squares += (x - restored).square().sum()
        left = float(squares / images.size + ROUNDING)
        noise = left / self.grid.shrink**2
        self.detail.fill_(math.sqrt(left))
        variances = (singular.square() / len(images)).clamp(min=noise)  # [count]
        self.project.weight.zero_()
        self.restore.weight.zero_()
        scaled = components * (variances - noise).sqrt()  # [small, count]
        self.restore.weight[:, :count] = scaled
        self.project.weight[:count] = (scaled / variances).T
        self.posterior.bias.chunk(2)[1][:count] = (noise / variances).log()
        lengths = scaled.square().sum(dim=0).sqrt()  # [count]
        self.scale[:count] = (lengths / lengths.square().mean().sqrt().clamp(min=SMALLEST_SCALE)).clamp(SMALLEST_SCALE)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images [n, c, h, w] in 0..1 to the mean and log-variance of q(z|x), each [n, latent_dim]."""
        mean, log_variance = self._posterior(x)
        return mean * self.scale, log_variance + 2 * self.scale.log()

    def _posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, each [n, latent_dim], before they are scaled."""
        linear = self.project(self._small(x) - self.small_mean)  # [n, latent_dim]
        x = self.stem(functional.pixel_unshuffle(self._padded(x) - 0.5, self.grid.patch))  # [n, 64, grid]
        for block, down in zip(self.encoding, self.down, strict=False):
            x = down(block(x))  # [n, 96, grid / 2], ...
        x = functional.silu(self.encoding[-1](x)).flatten(1)  # [n, flat]
        mean, log_variance = self.posterior(x / math.sqrt(x.shape[1])).chunk(2, dim=1)
        return linear + mean, log_variance

    def output(self, z: Tensor) -> Tensor:
        """Map latents [n, latent_dim] to images [n, c, h, w], most of whose values lie in 0..1."""
        return self._output(z / self.scale)

    def in_use(self, latents: NDArray[np.float32]) -> int:
        """How many latents tell images apart, of the latents [n, latent_dim] of all training images."""
        return int((latents.var(axis=0) / self.scale.numpy() ** 2 > IN_USE).sum())

    def _output(self, z: Tensor) -> Tensor:
        """What latents give [n, latent_dim] before they are scaled."""
        x = self.seed(z).view(len(z), -1, *self.grid.coarsest)  # [n, 128, coarsest]
        for block, up in zip(self.decoding[:0:-1], self.up[::-1], strict=True):
            x = functional.pixel_shuffle(up(block(x)), 2)  # [n, ..., twice the places]
        x = self.patches(functional.silu(self.decoding[0](x)))  # [n, c * patch^2, grid]
        x = self.pixels(functional.pixel_shuffle(x, self.grid.patch))  # [n, c, padded]
        return self.detail * self._cropped(x) + self._enlarged(self.small_mean + self.restore(z))

    def decode(self, z: Tensor) -> Tensor:
        """Map latents [n, latent_dim] to images [n, c, h, w] in 0..1."""
        return self.image(self.output(z))

    def image(self, output: Tensor) -> Tensor:
        """What the decoder's output [n, c, h, w] is as images in 0..1."""
        return output.clamp(0, 1)

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode, sample one z from q(z|x) by the reparametrisation trick, and decode it, as `VAE.forward` does."""
        mean, log_variance = self._posterior(x)
        return self._output(mean + (0.5 * log_variance).exp() * noise), mean, log_variance

    def _small(self, x: Tensor) -> Tensor:
        """Small copies of the images, [n, small]: means over squares of pixels."""
        return functional.avg_pool2d(self._padded(x), self.grid.shrink).flatten(1)

    def _enlarged(self, small: Tensor) -> Tensor:
        """Small copies, [n, small], enlarged to [n, c, h, w]."""
        images = small.view(-1, self.architecture.channels, *self.grid.small)
        large = functional.interpolate(images, scale_factor=self.grid.shrink, mode="bilinear", align_corners=False)
        return self._cropped(large)

    def _padded(self, x: Tensor) -> Tensor:
        """Images [n, c, h, w] that fill the grid: their last row and column are repeated."""
        height, width = (self.grid.patch * side for side in (self.grid.height, self.grid.width))
        if x.shape[2:] == (height, width):
            return x
        return functional.pad(x, (0, width - x.shape[3], 0, height - x.shape[2]), mode="replicate")

    def _cropped(self, x: Tensor) -> Tensor:
        """The images' own part of padded ones."""
        return x[:, :, : self.architecture.height, : self.architecture.width]


def _chunks(images: NDArray[np.uint8]) -> Iterator[Tensor]:
    """Images [n, h, w, c] as float32 [chunk, c, h, w], few at a time so that they take little memory."""
    size = _size(images)
    return (pixels(torch.tensor(images[start : start + size])) for start in range(0, len(images), size))


def _size(images: NDArray[np.uint8]) -> int:
    """How many images [n, h, w, c] are looked at together."""
    return together(images[0].size, CHUNK)
