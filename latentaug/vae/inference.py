"""A trained VAE for inference: its weights are rearranged once into the layouts in which a device computes fastest.

The numbers are those of `VAE.encode` and `VAE.decode` up to rounding: that of float32, or of bfloat16 where it is
chosen for decoding. Everything is channels-last, so that images go in and out in the layout in which they are sent,
[n, h, w, c], and flattening copies nothing.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Protocol

import torch
from torch import Tensor

from latentaug.vae.architectures import VAE, pixels
from latentaug.vae.convolutions import channels_last, enlarge, interleave, reduce, subpixel_kernel, subpixels
from latentaug.vae.networks import Network
from latentaug.vae.residual import ResidualVAE


class Frozen(Protocol):
    """Encoder and decoder of a VAE, without gradients."""

    def to(self, device: torch.device) -> None:
        """Move to a device."""

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to the mean and log-variance of q(z|x), float32 [n, latent_dim] each.

        Args:
            images: [n, h, w, c], uint8 or float32 in 0..1.
        """

    def decode(self, latents: Tensor) -> Tensor:
        """Map latents float32 [n, latent_dim] to images float32 [n, h, w, c] in 0..1."""

    def render(self, latents: Tensor) -> Tensor:
        """Map latents float32 [n, latent_dim] to images in grey levels, uint8 [n, h, w, c]."""


def frozen(network: Network, precision: torch.dtype = torch.float32) -> Frozen:
    """A trained network for inference.

    Args:
        network: its weights are copied.
        precision: the number format for decoding, float32 or bfloat16, which keeps 8 bits of a number's fraction.
    """
    return FrozenVAE(network, precision) if isinstance(network, VAE) else FrozenResidualVAE(network, precision)


class FrozenResidualVAE:
    """The residual network for inference: as it was trained, in the layout that convolutions are fastest in.

    Args:
        vae: the network; its weights are copied.
        precision: as of `frozen`. Encoding stays in float32.
    """

    def __init__(self, vae: ResidualVAE, precision: torch.dtype = torch.float32) -> None:
        self._precision = precision
        self._encoder = _copy(vae, torch.float32)
        self._decoder = self._encoder if precision == torch.float32 else _copy(vae, precision)

    def to(self, device: torch.device) -> None:
        """Move to a device."""
        self._encoder, self._decoder = self._encoder.to(device), self._decoder.to(device)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map images, as `Frozen.encode` does."""
        return self._encoder.encode(pixels(images) if images.dtype == torch.uint8 else images.permute(0, 3, 1, 2))

    def decode(self, latents: Tensor) -> Tensor:
        """Map latents, as `Frozen.decode` does."""
        output = self._decoder.output(latents.to(self._precision)).float()  # [n, c, h, w]
        return self._decoder.image(output).permute(0, 2, 3, 1).contiguous()

    def render(self, latents: Tensor) -> Tensor:
        """Map latents, as `Frozen.render` does."""
        return grey_levels(self.decode(latents))


class FrozenVAE:
    """Encoder and decoder of the paper's VAE, without gradients.

    Args:
        vae: the network. Its weights are copied, so that they start at torch's own alignment. Weights read from a file
            may start anywhere; there kernels may sum in another order, and a restart could change an answer's last bit.
        precision: the number format for decoding, float32 or bfloat16, which keeps 8 bits of a number's fraction. The
            images are float32 in either case. Encoding stays in float32, because a latent that moves only slightly may
            get another neighbour, and so give other images.
    """

    def __init__(self, vae: VAE, precision: torch.dtype = torch.float32) -> None:
        self._precision = precision
        weights = vae.state_dict()
        self._size = vae.architecture.height, vae.architecture.width
        self._half = _halved(self._size)
        self._grid = (8, *_halved(self._half))  # channels, height and width between the convolutions and the rest

        def layer(name: str) -> tuple[Tensor, Tensor]:
            return weights[f"{name}.weight"], weights[f"{name}.bias"]

        # Weights of fully connected layers become [in, out]: small batches are multiplied faster by those.
        conv_1, conv_2, hidden = layer("encoder.conv_1"), layer("encoder.conv_2"), layer("encoder.hidden")
        posterior = zip(layer("mean"), layer("log_variance"), strict=True)
        posterior_weight, posterior_bias = (torch.cat(pair) for pair in posterior)
        encoder = {
            "encoder.conv_1": (channels_last(conv_1[0]), conv_1[1]),
            "encoder.conv_2": (channels_last(conv_2[0]), conv_2[1]),
            "encoder.hidden": (hidden[0].reshape(-1, *self._grid).permute(2, 3, 1, 0).flatten(0, 2), hidden[1]),
            "posterior": (posterior_weight.t().contiguous(), posterior_bias),
        }
        hidden, grid = layer("decoder.hidden"), layer("decoder.grid")
        decoder = {
            "decoder.hidden": (hidden[0].t().contiguous(), hidden[1]),
            "decoder.grid": (
                grid[0].reshape(*self._grid, -1).permute(3, 1, 2, 0).flatten(1),
                grid[1].reshape(self._grid).permute(1, 2, 0).flatten(),
            ),
            "decoder.transposed_conv_1": subpixel_kernel(*layer("decoder.transposed_conv_1")),
            "decoder.transposed_conv_2": subpixel_kernel(*layer("decoder.transposed_conv_2")),
        }
        self._layers = {name: _copied(pair, torch.float32) for name, pair in encoder.items()}
        self._layers |= {name: _copied(pair, precision) for name, pair in decoder.items()}

    def to(self, device: torch.device) -> None:
        """Move to a device."""
        self._layers = {name: (weight.to(device), bias.to(device)) for name, (weight, bias) in self._layers.items()}

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to the mean and log-variance of q(z|x), float32 [n, latent_dim] each.

        Args:
            images: [n, h, w, c], uint8 or float32 in 0..1.
        """
        x = pixels(images) if images.dtype == torch.uint8 else images.permute(0, 3, 1, 2)  # [n, c, h, w]
        x = reduce(x, *self._layers["encoder.conv_1"]).relu_()  # [n, 16, h/2, w/2]
        x = reduce(x, *self._layers["encoder.conv_2"]).relu_()  # [n, 8, h/4, w/4]
        hidden = self._product("encoder.hidden", x.permute(0, 2, 3, 1).flatten(1)).relu_()  # [n, hidden]
        mean, log_variance = self._product("posterior", hidden).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, latents: Tensor) -> Tensor:
        """Map latents float32 [n, latent_dim] to images float32 [n, h, w, c] in 0..1."""
        return self._interleaved(self._intensities(latents))

    def render(self, latents: Tensor) -> Tensor:
        """Map latents float32 [n, latent_dim] to images in grey levels, uint8 [n, h, w, c]."""
        return self._interleaved(grey_levels(self._intensities(latents)))  # bytes are quicker to move than floats

    def _intensities(self, latents: Tensor) -> Tensor:
        """Decode, but leave the pixels as the last layer gives them, float32 [n, h / f, w / f, f f c] in 0..1."""
        hidden = self._product("decoder.hidden", latents.to(self._precision)).relu_()  # [n, hidden]
        flat = self._product("decoder.grid", hidden).relu_()  # [n, h/4 * w/4 * 8]
        channels, height, width = self._grid
        x = flat.view(-1, height, width, channels).permute(0, 3, 1, 2)  # [n, 8, h/4, w/4]
        x = enlarge(x, *self._layers["decoder.transposed_conv_1"], self._half).relu_()  # [n, 16, h/2, w/2]
        return subpixels(x, *self._layers["decoder.transposed_conv_2"]).float().sigmoid()

    def _interleaved(self, intensities: Tensor) -> Tensor:
        kernel, _ = self._layers["decoder.transposed_conv_2"]
        return interleave(intensities, kernel, self._size).permute(0, 2, 3, 1)  # [n, h, w, c]

    def _product(self, name: str, x: Tensor) -> Tensor:
        """Apply a fully connected layer: [n, in] to [n, out]."""
        weight, bias = self._layers[name]
        return torch.addmm(bias, x, weight)


def grey_levels(images: Tensor) -> Tensor:
    """Map float32 in 0..1 to the nearest of 256 grey levels, uint8."""
    return images.mul(255).round_().to(torch.uint8)


def _copy(vae: ResidualVAE, precision: torch.dtype) -> ResidualVAE:
    copied = deepcopy(vae).requires_grad_(False).eval().to(precision)
    laid_out: ResidualVAE = copied.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return laid_out


def _copied(layer: tuple[Tensor, Tensor], precision: torch.dtype) -> tuple[Tensor, Tensor]:
    weight, bias = layer
    return weight.detach().clone().to(precision), bias.detach().clone().to(precision)


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width after one convolution of stride 2."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2
