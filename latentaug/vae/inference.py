"""A trained VAE for inference: its weights arranged once, in the layouts in which a device computes fastest.

The numbers of `VAE.encode` and `VAE.decode` up to rounding: of float32, or of bfloat16 where decoding in it is wanted.
Everything is channels-last, so that images go in and out as they travel, [n, h, w, c], and flattening copies nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from latentaug.vae.architectures import VAE, pixels
from latentaug.vae.convolutions import channels_last, enlarge, interleave, reduce, subpixel_kernel, subpixels


class FrozenVAE:
    """Encoder and decoder of a VAE, without gradients.

    Args:
        vae: the network. Its weights are copied, and so start at torch's own alignment: read from a file they start
            anywhere, and kernels may sum in another order there, so that a restart could change an answer's last bit.
        precision: what is decoded in. In bfloat16 numbers keep 8 bits of their fraction; images are float32 again.
            Encoding stays in float32: a latent that moves by little may have another neighbour, and other images.
    """

    def __init__(self, vae: VAE, precision: torch.dtype = torch.float32) -> None:
        self._precision = precision
        weights = vae.state_dict()
        self._size = vae.architecture.height, vae.architecture.width
        self._half = _halved(self._size)
        self._grid = (8, *_halved(self._half))  # channels, height and width between the convolutions and the rest
        encoder = {  # those of products are [in, out], which small batches are multiplied with faster
            "shrink.1": channels_last(weights["encoder.0.weight"]),
            "shrink.1.bias": weights["encoder.0.bias"],
            "shrink.2": channels_last(weights["encoder.2.weight"]),
            "shrink.2.bias": weights["encoder.2.bias"],
            "hidden": weights["encoder.5.weight"].unflatten(1, self._grid).permute(2, 3, 1, 0).flatten(0, 2),
            "hidden.bias": weights["encoder.5.bias"],
            "posterior": torch.cat([weights["mean.weight"], weights["log_variance.weight"]]).t().contiguous(),
            "posterior.bias": torch.cat([weights["mean.bias"], weights["log_variance.bias"]]),
        }
        decoder = {
            "expand.1": weights["decoder.0.weight"].t().contiguous(),
            "expand.1.bias": weights["decoder.0.bias"],
            "expand.2": weights["decoder.2.weight"].unflatten(0, self._grid).permute(3, 1, 2, 0).flatten(1),
            "expand.2.bias": weights["decoder.2.bias"].unflatten(0, self._grid).permute(1, 2, 0).flatten(),
        }
        for name, layer in (("enlarge.1", "decoder.5"), ("enlarge.2", "decoder.7")):
            kernel, bias = subpixel_kernel(weights[f"{layer}.weight"], weights[f"{layer}.bias"])
            decoder |= {name: kernel, f"{name}.bias": bias}
        self._weights = {name: tensor.detach().clone() for name, tensor in encoder.items()}
        self._weights |= {name: tensor.detach().clone().to(precision) for name, tensor in decoder.items()}

    def to(self, device: torch.device) -> None:
        """Move to a device."""
        self._weights = {name: tensor.to(device) for name, tensor in self._weights.items()}

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to the mean and log-variance of q(z|x), float32 [n, latent_dim] each.

        Args:
            images: [n, h, w, c], uint8 or float32 in 0..1.
        """
        x = pixels(images) if images.dtype == torch.uint8 else images.permute(0, 3, 1, 2)  # [n, c, h, w]
        x = reduce(x, *self._layer("shrink.1")).relu_()  # [n, 16, h/2, w/2]
        x = reduce(x, *self._layer("shrink.2")).relu_()  # [n, 8, h/4, w/4]
        hidden = self._product("hidden", x.permute(0, 2, 3, 1).flatten(1)).relu_()  # [n, hidden]
        mean, log_variance = self._product("posterior", hidden).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, latents: Tensor) -> Tensor:
        """Map latents float32 [n, latent_dim] to images float32 [n, h, w, c] in 0..1."""
        return self._interleaved(self._intensities(latents))

    def draw(self, latents: Tensor) -> Tensor:
        """Map latents float32 [n, latent_dim] to images in grey levels, uint8 [n, h, w, c]."""
        return self._interleaved(grey_levels(self._intensities(latents)))  # bytes are quicker moved than floats

    def _intensities(self, latents: Tensor) -> Tensor:
        """Decode, but leave the pixels as the last layer gives them, float32 [n, h / f, w / f, f f c] in 0..1."""
        hidden = self._product("expand.1", latents.to(self._precision)).relu_()  # [n, hidden]
        flat = self._product("expand.2", hidden).relu_()  # [n, h/4 * w/4 * 8]
        channels, height, width = self._grid
        x = flat.view(-1, height, width, channels).permute(0, 3, 1, 2)  # [n, 8, h/4, w/4]
        x = enlarge(x, *self._layer("enlarge.1"), self._half).relu_()  # [n, 16, h/2, w/2]
        return subpixels(x, *self._layer("enlarge.2")).float().sigmoid()

    def _interleaved(self, intensities: Tensor) -> Tensor:
        return interleave(intensities, self._weights["enlarge.2"], self._size).permute(0, 2, 3, 1)  # [n, h, w, c]

    def _product(self, name: str, x: Tensor) -> Tensor:
        """A fully connected layer: [n, in] to [n, out]."""
        weight, bias = self._layer(name)
        return torch.addmm(bias, x, weight)

    def _layer(self, name: str) -> tuple[Tensor, Tensor]:
        return self._weights[name], self._weights[f"{name}.bias"]


def grey_levels(images: Tensor) -> Tensor:
    """Map float32 in 0..1 to the nearest of 256 grey levels, uint8."""
    return images.mul(255).round_().to(torch.uint8)


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width after one convolution of stride 2."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2
