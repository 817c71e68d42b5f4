"""Measure whether augmentation helps (paper section 4), with VAEs trained here without labels or a stored model."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

from latentaug import datasets, models
from latentaug.affine import Ranges
from latentaug.datasets import Dataset
from latentaug.errors import Conflict, InvalidInput
from latentaug.evaluation import evaluate as measure
from latentaug.figures import gains_plot
from latentaug.job_params import DEFAULT_LATENT_DIMS, EvaluateParams
from latentaug.protocol import Parts, Protocol
from latentaug.report import to_csv, to_markdown
from latentaug.training import EpochMetrics
from latentaug.units import Cell
from latentaug.vae import VAE, Architecture, from_bytes, to_bytes
from worker.augment import architecture
from worker.vaes import device, train_vae
from worker.work import Work, remaining

TRAINING_SHARE = 0.3
"""Of the progress, where VAEs are trained here."""
CELLS = "cells.json"


def evaluate(work: Work, params: EvaluateParams) -> dict[str, Any]:
    """Train or read the VAEs, measure every cell, write the report; return the verdicts.

    Files: `result.json`, `report.md`, `report.csv`, `report.png`.

    Raises:
        InvalidInput: the data set has no labels, or parameters that do not fit it.
        TooFewImages: a class or the data set is too small.
        Conflict: `params.model` was trained on other data.
    """
    dataset = datasets.load(params.dataset, work.artefacts, work.settings)
    if dataset.labels is None:
        raise InvalidInput(f"{dataset.name!r} has no labels, so no classifier can be measured; upload it with labels")
    parts = Parts(
        train_images=dataset.images[dataset.train],
        train_labels=dataset.labels[dataset.train],
        test_images=dataset.images[dataset.test],
        test_labels=dataset.labels[dataset.test],
        classes=dataset.classes,
    )
    if params.model is None:
        result = _measure(work, params, parts, _train(work, params, dataset), TRAINING_SHARE)
    else:
        result = _measure(work, params, parts, _read(work, params.model, dataset), 0.0)
    result = {"dataset": dataset.name, "dataset_checksum": dataset.checksum, "model": params.model, **result}
    work.put("report.md", to_markdown(result))
    work.put("report.csv", to_csv(result))
    work.put("report.png", gains_plot(result))
    work.put_json("result.json", result)
    return {"verdicts": result["verdicts"], "best": result["best"]}


def _train(work: Work, params: EvaluateParams, dataset: Dataset) -> dict[int, VAE]:
    """One VAE for each latent dimension; those that an earlier attempt has trained are not trained again."""
    dims = params.latent_dims or DEFAULT_LATENT_DIMS
    height, width, channels = dataset.images.shape[1:]
    vaes: dict[int, VAE] = {}
    for i, latent_dim in enumerate(dims):
        name = f"vae-{latent_dim}.safetensors"
        kept = work.recall(name)
        if kept is not None:
            vaes[latent_dim] = from_bytes(Architecture(height, width, channels, latent_dim), kept)
            continue

        def on_epoch(metrics: EpochMetrics, before: int = i, latent_dim: int = latent_dim) -> None:
            fraction = TRAINING_SHARE * (before + metrics.epoch / params.epochs) / len(dims)
            stage = f"training a VAE of {latent_dim} dimensions, epoch {metrics.epoch}"
            work.report(fraction, stage, None, {"latent_dim": latent_dim, **asdict(metrics)})

        vaes[latent_dim] = train_vae(work, dataset, latent_dim, params, on_epoch).vae
        work.keep(name, to_bytes(vaes[latent_dim]))
    return vaes


def _read(work: Work, name: str, dataset: Dataset) -> dict[int, VAE]:
    """The VAE of a model that was trained on this very data."""
    model = models.describe(work.artefacts, name)
    if model.dataset_checksum != dataset.checksum:
        raise Conflict(
            f"model {name!r} was trained on other data than {dataset.name!r} holds, perhaps on its test images; give "
            "latent_dims instead, or a model trained on this data set"
        )
    return {model.latent_dim: from_bytes(architecture(model), models.read_weights(work.artefacts, model))}


def _measure(work: Work, params: EvaluateParams, parts: Parts, vaes: dict[int, VAE], fraction: float) -> dict[str, Any]:
    """All cells, from `fraction` of the progress on; those that an earlier attempt has measured stand."""
    cells = [Cell(**cell) for cell in json.loads(work.recall(CELLS) or b"[]")]
    before, started = len(cells), time.monotonic()

    def on_cell(done: int, total: int, cell: Cell) -> None:
        cells.append(cell)
        work.keep_now_and_then(CELLS, lambda: json.dumps([asdict(kept) for kept in cells]).encode())
        eta = remaining(started, done - before, total - before)
        work.report(fraction + (1 - fraction) * done / total, f"cell {done} of {total}", eta, asdict(cell))

    protocol = Protocol(
        labelled=params.labelled,
        draws=params.draws,
        seed=params.seed,
        methods=tuple(params.methods),
        alpha=params.alpha,
        k=params.k,
        classifiers=tuple(params.classifiers),
        spaces=tuple(params.spaces),
        decode=tuple(params.decode),
        comparators=tuple(params.comparators),
        affine=Ranges(**params.affine.model_dump()),
        combine=params.combine,
        tune=params.tune,
    )
    done = list(cells)
    return measure(parts, vaes, protocol, on_cell=on_cell, done=done, device=device(work.settings)).to_json()
