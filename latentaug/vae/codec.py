"""Apply a trained VAE to whole arrays, batch by batch: images to latents, and latents to images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from latentaug.datasets.selection import Images
from latentaug.storage import models
from latentaug.storage.models import ModelDescription
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.architectures import Architecture
from latentaug.vae.inference import frozen
from latentaug.vae.memory import together
from latentaug.vae.networks import Network, from_bytes

BATCH = 1024
"""Images or latents computed at a time, at most."""


class Codec:
    """Encodes and decodes any number of images.

    Args:
        vae: the network; its weights are copied.
        device: a torch device.
    """

    def __init__(self, vae: Network, device: str) -> None:
        self.architecture = vae.architecture
        self._device = torch.device(device)
        self._vae = frozen(vae)
        self._vae.to(self._device)

    @torch.inference_mode()
    def encode(self, images: Images | NDArray[np.float32]) -> NDArray[np.float32]:
        """Map images [n, h, w, c], uint8 or float32 in 0..1, to their mean latents, float32 [n, latent_dim]."""
        latents = np.empty((len(images), self.architecture.latent_dim), np.float32)
        for rows in self._batches(len(images)):
            latents[rows] = self._vae.encode(torch.tensor(images[rows], device=self._device))[0].cpu().numpy()
        return latents

    @torch.inference_mode()
    def decode(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map latents, float32 [n, latent_dim], to images, float32 [n, h, w, c] in 0..1."""
        a = self.architecture
        images = np.empty((len(latents), a.height, a.width, a.channels), np.float32)
        for rows in self._batches(len(latents)):
            images[rows] = self._vae.decode(torch.tensor(latents[rows], device=self._device)).cpu().numpy()
        return images

    def _batches(self, n: int) -> Iterator[slice]:
        a = self.architecture
        size = together(a.height * a.width * a.channels, BATCH)
        return (slice(start, start + size) for start in range(0, n, size))


def read_vae(store: ArtefactStore, model: ModelDescription) -> Network:
    """Read a stored model's network, on the CPU and in evaluation mode.

    Raises:
        NotFound: the model was deleted.
        MalformedInput: its weights are not what its description says.
    """
    return from_bytes(architecture_of(model), models.read_weights(store, model))


def architecture_of(model: ModelDescription) -> Architecture:
    """Return the architecture of a stored model's network."""
    return Architecture(
        model.height, model.width, model.channels, model.latent_dim, model.hidden, name=model.architecture
    )
