"""Augment the whole training part of a data set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentaug import datasets, models
from latentaug.codec import BATCH, Codec, read_vae
from latentaug.containers import write_npz, write_zip
from latentaug.datasets import Dataset
from latentaug.errors import InvalidInput, TooFewImages, TooLarge
from latentaug.generation import Altered, alter, name_class, residual
from latentaug.images import contact_sheet, encode_png
from latentaug.job_params import AugmentParams
from latentaug.models import ModelDescription
from worker.vaes import device
from worker.work import Work

SHEET_ROWS = 10


def augment(work: Work, params: AugmentParams) -> dict[str, Any]:
    """Encode, alter, decode; return a summary.

    Files: `images.npz` (images, labels where there are, source and neighbour as rows of the data set, -1 for none),
    `images.zip` (PNG in label folders, `manifest.csv`), `report.png` (the first sources, each with its children),
    `result.json` (counts and provenance).
    """
    dataset = datasets.load(params.dataset, work.artefacts, work.settings)
    model = models.describe(work.artefacts, params.model)
    _check(dataset, model, params, work.settings.max_dataset_bytes)
    codec = Codec(read_vae(work.artefacts, model), device(work.settings))
    sources = dataset.images[dataset.train]  # [n, h, w, c]
    labels = None if dataset.labels is None else dataset.labels[dataset.train]  # [n]
    latents = codec.encode(sources)  # [n, latent_dim]
    try:
        altered = alter(
            latents,
            method=params.method,
            alpha=params.alpha,
            k=params.k,
            copies=params.copies,
            sigma=np.array(model.sigma, np.float32),
            seed=params.seed,
            labels=labels,
        )
    except TooFewImages as error:
        raise name_class(error, dataset.classes) from error
    images = _decode(work, params, codec, sources, latents, altered)  # [m, h, w, c]
    work.report(0.8, "writing files", final=True)
    _write(work, params, dataset, sources, images, altered, model.version)
    summary = {
        **params.model_dump(mode="json"),
        "model_version": model.version,
        "dataset_checksum": dataset.checksum,
        "sources": len(sources),
        "images": len(images),
        "shape": list(images.shape[1:]),
        "labelled": labels is not None,
    }
    work.put_json("result.json", summary)
    return {"sources": len(sources), "images": len(images)}


def _check(dataset: Dataset, model: ModelDescription, params: AugmentParams, most_bytes: int) -> None:
    shape = (model.height, model.width, model.channels)
    if dataset.images.shape[1:] != shape:
        raise InvalidInput(
            f"{dataset.name!r} has images of {list(dataset.images.shape[1:])}, the model takes {list(shape)}; "
            "choose a model that was trained on images of this size"
        )
    size = len(dataset.train) * (params.copies or params.k) * int(np.prod(shape))
    if size > most_bytes:
        raise TooLarge(f"the new images would take {size} bytes, at most {most_bytes} are made; lower k or copies")


def _decode(
    work: Work,
    params: AugmentParams,
    codec: Codec,
    sources: NDArray[np.uint8],
    latents: NDArray[np.float32],
    altered: Altered,
) -> NDArray[np.uint8]:
    """Altered latents as images uint8 [m, h, w, c]."""
    images = np.empty((len(altered.latents), *sources.shape[1:]), np.uint8)
    for start in range(0, len(images), BATCH):
        decoded = codec.decode(altered.latents[start : start + BATCH])  # [chunk, h, w, c]
        if params.decode == "residual":
            rows, source = np.unique(altered.source[start : start + BATCH], return_inverse=True)
            decoded = residual(
                sources[rows].astype(np.float32) / np.float32(255), codec.decode(latents[rows]), decoded, source
            )
        images[start : start + BATCH] = np.rint(255 * decoded)
        work.report(0.8 * start / len(images), "decoding")
    return images


def _write(
    work: Work,
    params: AugmentParams,
    dataset: Dataset,
    sources: NDArray[np.uint8],
    images: NDArray[np.uint8],
    altered: Altered,
    version: str,
) -> None:
    source = dataset.train[altered.source]
    neighbour = np.where(altered.neighbour < 0, -1, dataset.train[altered.neighbour])
    plain = images[..., 0] if images.shape[-1] == 1 else images  # as the API answers grey images
    arrays: dict[str, NDArray[np.generic]] = {"images": plain, "source": source, "neighbour": neighbour}
    settings = params.model_dump(exclude={"dataset"}, exclude_none=True) | {"version": version}
    rows = zip(source.tolist(), neighbour.tolist(), strict=True)
    manifest: list[dict[str, object]] = [{"source": row, "neighbour": near, **settings} for row, near in rows]
    names = None
    if dataset.labels is not None:
        names = [dataset.classes[label] for label in dataset.labels[source]]
        arrays["labels"] = np.array(names)
        manifest = [{**row, "label": name} for row, name in zip(manifest, names, strict=True)]
    work.put("images.npz", write_npz(arrays))
    work.put("images.zip", write_zip(list(images), names, manifest))
    children = len(images) // len(sources)
    shown = range(min(SHEET_ROWS, len(sources)))
    sheet = [[sources[i], *images[i * children : (i + 1) * children]] for i in shown]
    work.put("report.png", encode_png(contact_sheet(sheet, scale=2)))
