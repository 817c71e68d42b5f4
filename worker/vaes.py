"""How jobs train VAEs: on which device, in how many processes, and from which checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from latentaug.datasets import Dataset
from latentaug.errors import MalformedInput
from latentaug.options import TrainingOptions
from latentaug.runtime.settings import Settings
from latentaug.vae.training import EpochMetrics, Trained, fit
from worker.torchrun import fit_on_several
from worker.work import Work


def device(settings: Settings) -> str:
    """Return the device that `settings.device` means on this machine."""
    if settings.device != "auto":
        return settings.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def processes(settings: Settings) -> int:
    """Return how many processes share one training: as many as the settings say, but at most one for each GPU."""
    where = device(settings)
    if where == "cpu":
        return settings.train_processes
    return min(settings.train_processes, torch.cuda.device_count()) if where == "cuda" else 1


def options(params: TrainingOptions) -> TrainingOptions:
    """Return those of a job's parameters that training itself takes."""
    return TrainingOptions.model_validate({name: getattr(params, name) for name in TrainingOptions.model_fields})


def train_vae(
    work: Work,
    dataset: Dataset,
    latent_dim: int | None,
    params: TrainingOptions,
    on_epoch: Callable[[EpochMetrics], None],
) -> Trained:
    """Train on a data set's training part, without labels, from an earlier attempt's checkpoint if there is one."""
    name = f"checkpoint-{latent_dim}.safetensors"

    def counted(metrics: EpochMetrics) -> None:
        work.count(epochs=1, images=len(dataset.train), training_seconds=metrics.seconds)
        on_epoch(metrics)

    where, count = device(work.settings), processes(work.settings)
    fit_here = partial(fit, device=where)
    if count > 1:
        fit_here = partial(fit_on_several, count, max(1, work.settings.threads // count), device=where)

    def trained(checkpoint: bytes | None) -> Trained:
        return fit_here(
            dataset.take(dataset.train),
            dataset.take(dataset.validation),
            latent_dim,
            options(params),
            on_epoch=counted,
            checkpoint=checkpoint,
            on_checkpoint=lambda make: work.keep_now_and_then(name, make),
        )

    try:
        return trained(work.recall(name))
    except MalformedInput:  # another version of this program made it, or the data set was replaced
        return trained(None)
