"""The train job: train a VAE and store it where the model server finds it."""

from __future__ import annotations

import hashlib
import logging
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentaug import datasets
from latentaug.augment.methods import sigma
from latentaug.errors import NotFound
from latentaug.latent_map import umap
from latentaug.latent_map.pca import sample
from latentaug.options import TrainParams
from latentaug.runtime.jobs import default_model_name
from latentaug.storage import models
from latentaug.storage.models import ModelDescription, ProjectedDataset, Reconstruction, advice
from latentaug.vae.codec import Codec
from latentaug.vae.curve import curve_plot
from latentaug.vae.networks import to_bytes
from latentaug.vae.training import EpochMetrics, Trained
from worker.latent_map import embed
from worker.vaes import device, train_vae
from worker.work import Work

MAPPED = 1000
"""Most images that UMAP places on the latent map."""

_log = logging.getLogger(__name__)


def train(work: Work, params: TrainParams) -> dict[str, Any]:
    """Train, encode the training part and save the model; return a summary.

    Files: `result.json` (the model's description with its curve) and `curve.png`.
    """
    description = _made_before(work, params)
    if description is None:
        description = _make(work, params)
    curve = description.curve
    work.put("curve.png", curve_plot([dict(epoch) for epoch in curve]))
    work.put("result.json", description.model_dump_json(indent=1))
    return {
        "model": description.name,
        "epochs": len(curve),
        "best_epoch": description.best_epoch,
        "validation_reconstruction": curve[description.best_epoch - 1]["validation_reconstruction"],
        "advice": description.advice,
        "training_images": description.training_images,
    }


def _made_before(work: Work, params: TrainParams) -> ModelDescription | None:
    """The model, if an earlier attempt at this job saved it before it was lost; otherwise None."""
    try:
        description = models.describe(work.artefacts, _name(work, params))
    except NotFound:
        return None
    return description if description.job_id == work.record.id else None


def _make(work: Work, params: TrainParams) -> ModelDescription:
    dataset = datasets.load(params.dataset, work.artefacts, work.settings.dataset_folders)

    def on_epoch(metrics: EpochMetrics) -> None:
        eta = metrics.seconds * (metrics.epochs - metrics.epoch)
        work.report(0.95 * metrics.epoch / metrics.epochs, f"epoch {metrics.epoch}", eta, asdict(metrics))

    trained = train_vae(work, dataset, params.latent_dim, params, on_epoch)
    work.report(0.95, "projecting the training part", final=True)
    latents = Codec(trained.vae, device(work.settings)).encode(dataset.take(dataset.train))
    labels = None if dataset.labels is None else dataset.labels[dataset.train]
    projected = ProjectedDataset(latents=latents, labels=labels, rows=dataset.train)
    weights, places = to_bytes(trained.vae), _umap(work, latents)
    description = _describe(work, params, dataset, trained, weights, projected, places)
    models.save(work.artefacts, description, weights, projected, places)
    return description


def _umap(work: Work, latents: NDArray[np.float32]) -> bytes | None:
    """Places for the latent map, if UMAP is installed and there are enough images for it.

    If UMAP fails, the model is kept without them.
    """
    if not umap.INSTALLED or len(latents) < umap.FEWEST:
        return None
    work.report(0.97, "mapping the training part", final=True)
    try:
        return models.places_bytes(embed(latents[sample(len(latents), MAPPED)]))
    except subprocess.CalledProcessError as error:
        _log.warning("no places by UMAP: %s", error)
        return None


def _describe(
    work: Work,
    params: TrainParams,
    dataset: datasets.Dataset,
    trained: Trained,
    weights: bytes,
    projected: ProjectedDataset,
    places: bytes | None,
) -> ModelDescription:
    architecture = trained.vae.architecture
    reconstruction = Reconstruction.of(trained.validation_mse)
    in_use = trained.vae.in_use(projected.latents)
    return ModelDescription(
        name=_name(work, params),
        version=work.record.id,
        height=architecture.height,
        width=architecture.width,
        channels=architecture.channels,
        latent_dim=architecture.latent_dim,
        hidden=architecture.hidden,
        architecture=architecture.name,
        reconstruction=reconstruction,
        latents_in_use=in_use,
        advice=advice(reconstruction, in_use, architecture.latent_dim),
        dataset=dataset.name,
        dataset_checksum=dataset.checksum,
        classes=list(dataset.classes),
        sigma=sigma(projected.latents).tolist(),
        training=trained.options.model_dump(),
        curve=[asdict(epoch) for epoch in trained.history],
        best_epoch=trained.best_epoch,
        training_images=len(dataset.train),
        validation_images=len(dataset.validation),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        latents_sha256=hashlib.sha256(models.projected_bytes(projected)).hexdigest(),
        umap_sha256=None if places is None else hashlib.sha256(places).hexdigest(),
        created_at=datetime.now(UTC),
        job_id=work.record.id,
    )


def _name(work: Work, params: TrainParams) -> str:
    return params.name or default_model_name(work.record.id)
