"""The paper's network and its augmentation as one writes them in PyTorch without a thought for speed, to compare with.

The parameters have the names and shapes of those of `latentaug.vae.architectures.VAE`, so that the two can exchange
weights and must give the same images.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latentaug.vae.architectures import Architecture

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]


class PlainVAE(nn.Module):
    """Encoder and decoder of section 3.1, with `nn.ConvTranspose2d`."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = architecture
        half = ((a.height + 1) // 2, (a.width + 1) // 2)
        quarter = ((half[0] + 1) // 2, (half[1] + 1) // 2)
        flat = 8 * quarter[0] * quarter[1]
        self.encoder = _chain(
            conv_1=nn.Conv2d(a.channels, 16, 5, stride=2, padding=2),
            conv_1_relu=nn.ReLU(),
            conv_2=nn.Conv2d(16, 8, 5, stride=2, padding=2),
            conv_2_relu=nn.ReLU(),
            flatten=nn.Flatten(),
            hidden=nn.Linear(flat, a.hidden),
            hidden_relu=nn.ReLU(),
        )
        self.mean = nn.Linear(a.hidden, a.latent_dim)
        self.log_variance = nn.Linear(a.hidden, a.latent_dim)
        whole = _even((a.height, a.width))
        self.decoder = _chain(
            hidden=nn.Linear(a.latent_dim, a.hidden),
            hidden_relu=nn.ReLU(),
            grid=nn.Linear(a.hidden, flat),
            grid_relu=nn.ReLU(),
            unflatten=nn.Unflatten(1, (8, *quarter)),
            transposed_conv_1=nn.ConvTranspose2d(8, 16, 5, stride=2, padding=2, output_padding=_even(half)),
            transposed_conv_1_relu=nn.ReLU(),
            transposed_conv_2=nn.ConvTranspose2d(16, a.channels, 5, stride=2, padding=2, output_padding=whole),
        )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map float32 [n, c, h, w] in 0..1 to mean and log-variance, each [n, latent_dim]."""
        hidden = self.encoder(x)
        return self.mean(hidden), self.log_variance(hidden)

    def output(self, z: Tensor) -> Tensor:
        """Map [n, latent_dim] to the logits of each pixel, float32 [n, c, h, w]."""
        logits: Tensor = self.decoder(z)
        return logits

    def decode(self, z: Tensor) -> Tensor:
        """Map [n, latent_dim] to float32 [n, c, h, w] in 0..1."""
        return torch.sigmoid(self.output(z))


class Codec(Protocol):
    """Encoder and decoder, as `PlainVAE` has them."""

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map float32 [n, c, h, w] in 0..1 to mean and log-variance, each [n, latent_dim]."""

    def decode(self, z: Tensor) -> Tensor:
        """Map [n, latent_dim] to float32 [n, c, h, w] in 0..1."""


class PlainModel(NamedTuple):
    """A network in evaluation mode, and the latents float32 [r, latent_dim] of the images it was trained on."""

    vae: Codec
    reference: Tensor


def load(
    architecture: Architecture, weights: Mapping[str, Tensor], reference: Floats, device: str = "cpu"
) -> PlainModel:
    """Make the plain network with the weights of a trained `latentaug.vae.architectures.VAE`, on a torch device."""
    vae = PlainVAE(architecture)
    vae.load_state_dict(weights)
    return PlainModel(vae.eval().to(device), torch.tensor(reference, device=device))


@torch.inference_mode()
def augment(model: PlainModel, requests: Sequence[Images], *, k: int, alpha: float) -> list[Images]:
    """Encode, interpolate towards the k nearest neighbours and decode, all requests in one batch.

    Args:
        model: the network.
        requests: uint8 [n, h, w, c] each. One with more than k images has its neighbours among them, a smaller one
            among the model's reference latents.
        k: neighbours of each image.
        alpha: how far to go towards them.

    Returns:
        For each request uint8 [n * k, h, w, c], child j of image i at i * k + j.
    """
    joined = torch.from_numpy(np.concatenate(requests)).to(model.reference.device)
    means, _ = model.vae.encode(joined.permute(0, 3, 1, 2).float() / 255)
    latents = [
        _interpolated(mean, model.reference, k, alpha) for mean in torch.split(means, [len(r) for r in requests])
    ]
    decoded = model.vae.decode(torch.cat(latents)).permute(0, 2, 3, 1)  # [m, h, w, c]
    levels = (decoded * 255).round().to(torch.uint8).cpu()
    return [part.numpy() for part in torch.split(levels, [len(part) for part in latents])]


@torch.inference_mode()
def decode(model: PlainModel, latents: Floats) -> Images:
    """Decode float32 [n, latent_dim] to uint8 [n, h, w, c]."""
    decoded = model.vae.decode(torch.from_numpy(latents).to(model.reference.device)).permute(0, 2, 3, 1)
    levels: Images = (decoded * 255).round().to(torch.uint8).cpu().numpy()
    return levels


def _chain(**layers: nn.Module) -> nn.Sequential:
    """Layers applied one after the other, each known by its name."""
    return nn.Sequential(OrderedDict(layers))


def _interpolated(mean: Tensor, reference: Tensor, k: int, alpha: float) -> Tensor:
    """Equation 9 for one request: [n, latent_dim] to [n * k, latent_dim]."""
    if len(mean) > k:
        distances = torch.cdist(mean, mean).fill_diagonal_(torch.inf)
        neighbours = mean[distances.topk(k, largest=False).indices]  # [n, k, latent_dim]
    else:
        neighbours = reference[torch.cdist(mean, reference).topk(k, largest=False).indices]
    return (mean[:, None] + alpha * (neighbours - mean[:, None])).flatten(0, 1)


def _even(size: tuple[int, int]) -> tuple[int, int]:
    """Output padding: 1 for even sides, 0 for odd ones."""
    return 1 - size[0] % 2, 1 - size[1] % 2
