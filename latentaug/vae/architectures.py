"""What decides a network's shape, and the paper's convolutional VAE (sections 3.1 and 4).

Images are float32 [n, c, h, w] in 0..1, latents float32 [n, latent_dim].
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latentaug.errors import InvalidInput
from latentaug.imaging.pixels import MAX_SIDE, MIN_SIDE
from latentaug.options import ArchitectureName
from latentaug.vae.convolutions import StridedConv2d, SubpixelConvTranspose2d
from latentaug.vae.likelihoods import bernoulli

MAX_LATENT_DIM = 512
MAX_HIDDEN = 8192
PAPER_SIDE = 128
"""Longest side of the paper's network: its fully connected layers grow with the number of pixels."""
SMALL_SIDE = 32
"""Longest side of the grey images that the paper's network is chosen for."""
LATENT_DIMS: dict[ArchitectureName, int] = {"paper": 20, "residual": 128}
"""Dimensions of the latent space where none are asked for."""
IN_USE = 0.01
"""Variance of a latent over the images above which it is in use (Burda et al., 2016); the prior's is 1."""
LEVELS = 0.01, 0.99
"""Lowest and highest mean level that training starts from, because images may be all black, and 0 has no logit."""


@dataclass(frozen=True)
class Architecture:
    """What decides the shape of every weight.

    Attributes:
        height: height of an image, 8..256 pixels; 8..128 for the paper's network.
        width: width of an image, likewise.
        channels: 1 (grey) or 3 (colour).
        latent_dim: dimensions of the latent space, 1..512; Z in the paper, which takes 10, 20, 50 and 100.
        hidden: units of the paper's fully connected layers, 1..8192. 1024 in the paper; the residual network has none.
        name: `paper` or `residual`.

    Raises:
        InvalidInput: a value outside its range.
    """

    height: int
    width: int
    channels: int
    latent_dim: int
    hidden: int = 1024
    name: ArchitectureName = "paper"

    def __post_init__(self) -> None:
        most = PAPER_SIDE if self.name == "paper" else MAX_SIDE
        if not all(MIN_SIDE <= side <= most for side in (self.height, self.width)):
            or_else = ", or take the residual architecture" if self.name == "paper" else ""
            raise InvalidInput(
                f"images are {self.height}x{self.width}; each side must be {MIN_SIDE} to {most} pixels: "
                f"resize them{or_else}"
            )
        if self.channels not in (1, 3):
            raise InvalidInput(f"images have {self.channels} channels; use images with 1 (grey) or 3 (colour)")
        if not 1 <= self.latent_dim <= MAX_LATENT_DIM:
            raise InvalidInput(f"latent_dim is {self.latent_dim}; use 1 to {MAX_LATENT_DIM}")
        if not 1 <= self.hidden <= MAX_HIDDEN:
            raise InvalidInput(f"hidden is {self.hidden}; use 1 to {MAX_HIDDEN}")


def chosen(name: ArchitectureName | Literal["auto"], height: int, width: int, channels: int) -> ArchitectureName:
    """The architecture that `auto` means for images of this size: the paper's for small grey images."""
    if name != "auto":
        return name
    return "paper" if channels == 1 and max(height, width) <= SMALL_SIDE else "residual"


class VAE(nn.Module):
    """The paper's network: encoder q(z|x) and decoder p(x|z) (equation 7); each mirrors the other."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = a = architecture
        whole = (a.height, a.width)
        half = (_halve(a.height), _halve(a.width))
        quarter = (_halve(half[0]), _halve(half[1]))
        flat = 8 * quarter[0] * quarter[1]
        self.encoder = _chain(
            conv_1=StridedConv2d(a.channels, 16),  # [n, 16, h/2, w/2]
            conv_1_relu=nn.ReLU(),
            conv_2=StridedConv2d(16, 8),  # [n, 8, h/4, w/4]
            conv_2_relu=nn.ReLU(),
            flatten=nn.Flatten(),
            hidden=nn.Linear(flat, a.hidden),  # [n, hidden]
            hidden_relu=nn.ReLU(),
        )
        self.mean = nn.Linear(a.hidden, a.latent_dim)
        self.log_variance = nn.Linear(a.hidden, a.latent_dim)
        self.decoder = _chain(
            hidden=nn.Linear(a.latent_dim, a.hidden),  # [n, hidden]
            hidden_relu=nn.ReLU(),
            grid=nn.Linear(a.hidden, flat),
            grid_relu=nn.ReLU(),
            unflatten=nn.Unflatten(1, (8, *quarter)),  # [n, 8, h/4, w/4]
            transposed_conv_1=SubpixelConvTranspose2d(8, 16, _output_padding(half)),  # [n, 16, h/2, w/2]
            transposed_conv_1_relu=nn.ReLU(),
            transposed_conv_2=SubpixelConvTranspose2d(16, a.channels, _output_padding(whole)),  # [n, c, h, w]
        )

    likelihood = staticmethod(bernoulli)

    @torch.no_grad()
    def initialise(self, levels: Tensor) -> None:
        """Set the weights that training starts with, from torch's global generator.

        Weights are normal, with variance 2 / fan-in and a bias of 0.1 before a ReLU (He et al., 2015), and with
        variance 1 / fan-in elsewhere. The last layer starts close to the mean image: its weights are small, and its
        bias is the mean's logit. Without that the network first learns that most pixels are dark, which kills many of
        its few channels.

        Args:
            levels: float [c], mean level of each channel in 0..1.
        """
        for layer, following in pairwise([*self.encoder, self.mean, self.log_variance, *self.decoder, None]):
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None:
                hidden = isinstance(following, nn.ReLU)
                layer.weight.normal_(0, math.sqrt((2 if hidden else 1) / _fan_in(layer)))
                layer.bias.fill_(0.1 if hidden else 0)
        last = self.decoder.get_submodule("transposed_conv_2")
        last.weight.mul_(0.1)  # type: ignore[operator]
        last.bias.copy_(levels.clamp(*LEVELS).logit())  # type: ignore[operator]

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images [n, c, h, w] in 0..1 to the mean and log-variance of q(z|x), each [n, latent_dim]."""
        hidden = self.encoder(x)  # [n, hidden]
        return self.mean(hidden), self.log_variance(hidden)

    def output(self, z: Tensor) -> Tensor:
        """Map latents [n, latent_dim] to the logits of each pixel [n, c, h, w]."""
        logits: Tensor = self.decoder(z)
        return logits

    def decode(self, z: Tensor) -> Tensor:
        """Map latents [n, latent_dim] to images [n, c, h, w] in 0..1."""
        return self.image(self.output(z))

    def image(self, output: Tensor) -> Tensor:
        """What the decoder's output, logits [n, c, h, w], is as images in 0..1."""
        return output.sigmoid()

    def in_use(self, latents: NDArray[np.float32]) -> int:
        """How many latents tell images apart, of the latents [n, latent_dim] of all training images."""
        return int((latents.var(axis=0) > IN_USE).sum())

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode, sample one z from q(z|x) by the reparametrisation trick, and decode it.

        Args:
            x: float32 [n, c, h, w] in 0..1.
            noise: numbers from N(0, 1), float32 [n, latent_dim].

        Returns:
            Logits [n, c, h, w], mean and log-variance [n, latent_dim].
        """
        mean, log_variance = self.encode(x)
        return self.output(mean + (0.5 * log_variance).exp() * noise), mean, log_variance


def pixels(images: Tensor) -> Tensor:
    """Map uint8 [n, h, w, c] to float32 [n, c, h, w] in 0..1, laid out channels-last."""
    return images.permute(0, 3, 1, 2).float().div_(255)


def _chain(**layers: nn.Module) -> nn.Sequential:
    """Layers applied one after the other, each known by its name."""
    return nn.Sequential(OrderedDict(layers))


def _fan_in(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> float:
    """How many inputs an output has; for a transposed convolution of stride 2, the mean."""
    if isinstance(layer, nn.Linear):
        return layer.in_features
    taps = math.prod(layer.kernel_size)
    return layer.in_channels * taps / (4 if isinstance(layer, nn.ConvTranspose2d) else 1)


def _halve(side: int) -> int:
    """Side of a 5x5 convolution's output with stride 2 and padding 2."""
    return (side + 1) // 2


def _output_padding(size: tuple[int, int]) -> tuple[int, int]:
    """Output padding for which a transposed convolution gives images of this size: 1 for even sides, 0 for odd."""
    return 1 - size[0] % 2, 1 - size[1] % 2
