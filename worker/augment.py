"""Augment the whole training part of a data set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentaug import datasets
from latentaug.augment.counts import counted
from latentaug.augment.exact_counts import Rounds, alter_in_rounds
from latentaug.augment.methods import Altered, alter, residual
from latentaug.augment.neighbours import name_class
from latentaug.datasets import Dataset
from latentaug.errors import InvalidInput, TooFewImages, TooLarge
from latentaug.imaging.archives import write_npz, write_zip
from latentaug.imaging.pixels import contact_sheet, encode_png
from latentaug.options import FILTERS, AugmentParams
from latentaug.storage import models
from latentaug.storage.models import ModelDescription
from latentaug.vae.codec import BATCH, Codec, read_vae
from worker.vaes import device
from worker.work import Work

SHEET_ROWS = 10


def augment(work: Work, params: AugmentParams) -> dict[str, Any]:
    """Encode, alter, decode; return a summary.

    Files: `images.npz` (images, labels where there are, source and neighbour as rows of the data set, -1 for none),
    `images.zip` (PNG in label folders, `manifest.csv`), `report.png` (the first sources, each with its children),
    `result.json` (counts and provenance).
    """
    dataset = datasets.load(params.dataset, work.artefacts, work.settings.dataset_folders)
    model = models.describe(work.artefacts, params.model)
    wanted = _check(dataset, model, params, work.settings.max_dataset_bytes)
    codec = Codec(read_vae(work.artefacts, model), device(work.settings))
    sources = dataset.images[dataset.train]  # [n, h, w, c]
    labels = None if dataset.labels is None else dataset.labels[dataset.train]  # [n]
    latents = codec.encode(sources)  # [n, latent_dim]
    try:
        altered = _alter(params, latents, labels, np.array(model.sigma, np.float32))
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
    if isinstance(altered, Rounds):
        refused = dict(zip(FILTERS, altered.refused.sum(axis=0).tolist(), strict=True))
        summary["tally"] = {"wanted": wanted, "made": len(images), "missing": wanted - len(images), "rejected": refused}
    work.put_json("result.json", summary)
    return {"sources": len(sources), "images": len(images)}


def _check(dataset: Dataset, model: ModelDescription, params: AugmentParams, most_bytes: int) -> int:
    """Refuse what cannot be made; return how many images are wanted."""
    shape = (model.height, model.width, model.channels)
    if dataset.images.shape[1:] != shape:
        raise InvalidInput(
            f"{dataset.name!r} has images of {list(dataset.images.shape[1:])}, the model takes {list(shape)}; "
            "choose a model that was trained on images of this size"
        )
    labels = None if dataset.labels is None else dataset.labels[dataset.train]
    counts = counted(params, len(dataset.train), labels)
    wanted = len(dataset.train) * params.children if counts is None else int(counts.sum())
    size = wanted * int(np.prod(shape))
    if size > most_bytes:
        raise TooLarge(f"the new images would take {size} bytes, at most {most_bytes} are made; ask for fewer")
    return wanted


def _alter(
    params: AugmentParams, latents: NDArray[np.float32], labels: NDArray[np.int64] | None, sigma: NDArray[np.float32]
) -> Altered:
    """As many children of each latent, or counted ones in rounds."""
    counts = counted(params, len(latents), labels)
    if counts is None:
        return alter(
            latents,
            method=params.method,
            alpha=params.alpha,
            k=params.k,
            copies=params.copies,
            sigma=sigma,
            seed=params.seed,
            labels=labels,
        )
    return alter_in_rounds(
        latents,
        counts,
        method=params.method,
        alpha=params.alpha,
        k=params.k,
        sigma=sigma,
        seed=params.seed,
        labels=labels,
        filters=params.filters,
        retries=params.retries,
    )


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
    arrays: dict[str, NDArray[np.generic]] = {"images": plain}
    settings = params.model_dump(exclude={"dataset"}, exclude_none=True) | {"version": version}
    columns: dict[str, NDArray[Any]] = {"source": source, "neighbour": neighbour}
    if isinstance(altered, Rounds):
        columns |= {"child": altered.child, "step": altered.step}
    arrays |= columns
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    manifest: list[dict[str, object]] = [{**dict(zip(columns, row, strict=True)), **settings} for row in rows]
    names = None
    if dataset.labels is not None:
        names = [dataset.classes[label] for label in dataset.labels[source]]
        arrays["labels"] = np.array(names)
        manifest = [{**row, "label": name} for row, name in zip(manifest, names, strict=True)]
    work.put("images.npz", write_npz(arrays))
    work.put("images.zip", write_zip(list(images), names, manifest))
    made = np.split(images, np.cumsum(np.bincount(altered.source, minlength=len(sources)))[:-1])  # each source's own
    sheet = [[sources[i], *made[i]] for i in range(min(SHEET_ROWS, len(sources)))]
    work.put("report.png", encode_png(contact_sheet(sheet, scale=2)))
