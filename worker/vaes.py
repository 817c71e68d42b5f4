"""VAEs in jobs: trained with checkpoints that a later attempt goes on from, and applied in chunks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from latentaug.datasets import Dataset
from latentaug.errors import MalformedInput
from latentaug.job_params import TrainingParams
from latentaug.settings import Settings
from latentaug.training import EpochMetrics, Trained, TrainingOptions, fit
from latentaug.vae import VAE, pixels
from worker.work import Work

CHUNK = 512
"""Images or latents computed at a time."""


def device(settings: Settings) -> str:
    """The device that `settings.device` means here."""
    if settings.device != "auto":
        return settings.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def options(params: TrainingParams) -> TrainingOptions:
    """The parameters that training itself takes."""
    return TrainingOptions(
        epochs=params.epochs,
        patience=params.patience,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        beta=params.beta,
        seed=params.seed,
    )


def train_vae(
    work: Work, dataset: Dataset, latent_dim: int, params: TrainingParams, on_epoch: Callable[[EpochMetrics], None]
) -> Trained:
    """Train on a data set's training part, without labels, from an earlier attempt's checkpoint where there is one."""
    name = f"checkpoint-{latent_dim}.safetensors"

    def trained(checkpoint: bytes | None) -> Trained:
        return fit(
            dataset.images[dataset.train],
            dataset.images[dataset.validation],
            latent_dim,
            options(params),
            device=device(work.settings),
            on_epoch=on_epoch,
            checkpoint=checkpoint,
            on_checkpoint=lambda make: work.keep_now_and_then(name, make),
        )

    try:
        return trained(work.recall(name))
    except MalformedInput:  # of another version of this program, or of a data set that was replaced
        return trained(None)


@torch.inference_mode()
def encode(vae: VAE, images: NDArray[np.uint8], on: str) -> NDArray[np.float32]:
    """Map images uint8 [n, h, w, c] to latent means float32 [n, latent_dim]."""
    vae = vae.to(on).eval()
    means = [vae.encode(pixels(torch.tensor(chunk, device=on)))[0].cpu().numpy() for chunk in _chunks(images)]
    return np.concatenate(means)


@torch.inference_mode()
def decode(vae: VAE, latents: NDArray[np.float32], on: str) -> NDArray[np.float32]:
    """Map latents float32 [n, latent_dim] to images float32 [n, h, w, c] in 0..1."""
    vae = vae.to(on).eval()
    decoded = [
        vae.decode(torch.tensor(chunk, device=on)).permute(0, 2, 3, 1).cpu().numpy() for chunk in _chunks(latents)
    ]
    return np.concatenate(decoded)


def _chunks(array: NDArray[np.generic]) -> list[NDArray[np.generic]]:
    return [array[start : start + CHUNK] for start in range(0, len(array), CHUNK)]
