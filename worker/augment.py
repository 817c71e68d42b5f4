"""The augment job: new images of the training part of a data set, or of all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentaug import datasets
from latentaug.augment.counts import check_job, counted
from latentaug.augment.exact_counts import Counted, alter_in_rounds
from latentaug.augment.methods import Altered, alter, residual
from latentaug.augment.neighbours import name_class
from latentaug.augment.warps import warp
from latentaug.datasets import Dataset
from latentaug.errors import InvalidInput, TooFewImages
from latentaug.imaging.archives import write_npz, write_zip
from latentaug.imaging.pixels import contact_sheet, encode_png, fit
from latentaug.options import FILTERS, NOTIFYING, AugmentParams
from latentaug.storage import models
from latentaug.storage.models import ModelDescription
from latentaug.vae.codec import BATCH, Codec, read_vae
from latentaug.vae.memory import together
from worker.quality import Made, measure
from worker.recipes import make_training_set
from worker.vaes import device
from worker.work import Work

SHEET_ROWS, SHEET_COLUMNS = 10, 64
"""Most sources on the sheet `report.png`, and most children of each."""

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


def augment(work: Work, params: AugmentParams) -> dict[str, Any]:
    """Make new images of a data set, or the whole training set that a recipe describes; return a summary.

    Raises:
        InvalidInput: neither a model nor a recipe, or the data set's images are not of the model's size.
        TooLarge: more images than one job makes.
        TooFewImages: a class has too few images to find neighbours among.
    """
    if params.recipe is not None:
        return make_training_set(work, params)
    if params.model is None:
        raise InvalidInput("name a model, or give a recipe, which names its own")
    return _augment(work, params, params.model)


def _augment(work: Work, params: AugmentParams, name: str) -> dict[str, Any]:
    """Encode the training part, or all images, alter their latents and decode them; return a summary.

    Labelled and unlabelled images are augmented alike; a new image has the label of its source, or none.

    Files: `images.npz` (the images, their labels where there are any, an empty text for none, and the rows in the data
    set of each one's source and neighbour, -1 where there is none), `images.zip` (PNG files in label folders and
    `manifest.csv`), `report.png` (the first sources, each with its children) and `result.json` (counts and provenance).
    """
    given = datasets.load(params.dataset, work.artefacts, work.settings.dataset_folders)
    model = models.describe(work.artefacts, name)
    params = params.model_copy(update={"decode": model.decode(params.decode)})
    rows = np.arange(len(given.images)) if params.whole else given.train  # [n]
    labels = None if given.labels is None else given.labels[rows]  # [n]
    counts = counted(params, len(rows), labels)
    wanted = len(rows) * params.children if counts is None else int(counts.sum())
    _check(given, len(rows), model, wanted, work.settings.max_result_bytes)
    dataset = replace(given, images=fit(given.images, model.height, model.width, model.channels, resize=False))
    sources = dataset.images[rows]  # [n, h, w, c]
    codec = Codec(read_vae(work.artefacts, model), device(work.settings))
    latents = codec.encode(sources)  # [n, latent_dim]
    try:
        altered = _alter(params, latents, counts, labels, np.array(model.sigma, np.float32))
    except TooFewImages as error:
        raise name_class(error, dataset.classes) from error
    images = _decode(work, params, codec, sources, latents, altered)  # [m, h, w, c]
    children = Made(images, None if labels is None else labels[altered.source], altered.source)
    quality = measure(work, 0.8, codec, dataset, rows, latents, children)
    work.report(0.8, "writing files", final=True)
    _write(work, params, dataset, rows, images, altered, model.version)
    work.put("report.png", encode_png(contact_sheet(_sheet(sources, images, altered.source), scale=2)))
    summary = {
        **params.model_dump(mode="json", exclude=set(NOTIFYING)),
        "model_version": model.version,
        "dataset_checksum": given.checksum,
        "sources": len(sources),
        "images": len(images),
        "shape": list(images.shape[1:]),
        "labelled": labels is not None,
        "quality": quality,
    }
    if isinstance(altered, Counted):
        refused = dict(zip(FILTERS, altered.refused.sum(axis=0).tolist(), strict=True))
        summary["tally"] = {"wanted": wanted, "made": len(images), "missing": wanted - len(images), "rejected": refused}
    work.put_json("result.json", summary)
    return {"sources": len(sources), "images": len(images), "quality": quality}


def _check(dataset: Dataset, sources: int, model: ModelDescription, wanted: int, most_bytes: int) -> None:
    """Refuse images that the model does not take, and more new images of the `sources` than one job makes."""
    shape = (model.height, model.width, model.channels)
    if dataset.images.shape[1:3] != shape[:2]:
        raise InvalidInput(
            f"{dataset.name!r} has images of {list(dataset.images.shape[1:3])}, the model takes {list(shape[:2])}; "
            "choose a model that was trained on images of this size"
        )
    check_job(wanted, sources, shape, most_bytes)


def _alter(params: AugmentParams, latents: Floats, counts: Rows | None, labels: Rows | None, sigma: Floats) -> Altered:
    """Make as many children of each latent, or as many as `counts` says."""
    if counts is None:
        return alter(
            latents,
            method=params.method,
            alpha=params.alpha,
            k=params.k,
            copies=params.children,
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
        retries=params.retries,
        labels=labels,
        filters=params.filters,
    )


def _decode(
    work: Work, params: AugmentParams, codec: Codec, sources: Pixels, latents: Floats, altered: Altered
) -> Pixels:
    """Make the children's images uint8 [m, h, w, c]: of their latents, or by warping their sources."""
    images = np.empty((len(altered.latents), *sources.shape[1:]), np.uint8)
    size = together(sources[0].size, BATCH)
    for start in range(0, len(images), size):
        part = slice(start, start + size)
        if params.decode == "warp":
            images[part] = _warp(params, sources, altered, part, device(work.settings))
        else:
            images[part] = np.rint(255 * _decoded(params, codec, sources, latents, altered, part))
        work.report(0.8 * start / len(images), "making images")
    return images


def _decoded(
    params: AugmentParams, codec: Codec, sources: Pixels, latents: Floats, altered: Altered, part: slice
) -> Floats:
    """Decode some altered latents, by themselves or as changes to their sources: float32 [rows, h, w, c] in 0..1."""
    decoded = codec.decode(altered.latents[part])  # [rows, h, w, c]
    if params.decode == "reconstruction":
        return decoded
    rows, source = np.unique(altered.source[part], return_inverse=True)
    return residual(sources[rows].astype(np.float32) / np.float32(255), codec.decode(latents[rows]), decoded, source)


def _warp(params: AugmentParams, sources: Pixels, altered: Altered, part: slice, where: str) -> Pixels:
    """Warp the sources of some children towards their neighbours, or away from them: uint8 [rows, h, w, c]."""
    source, neighbour = altered.source[part], altered.neighbour[part]
    share = altered.share[part] if isinstance(altered, Counted) else np.full(len(source), params.alpha, np.float32)
    if params.method == "extrapolation":
        share = -share
    with torch.inference_mode():
        given = (torch.from_numpy(each).to(where) for each in (sources[source], sources[neighbour], share))
        warped: Pixels = warp(*given).cpu().numpy()
    return warped


def _write(
    work: Work, params: AugmentParams, dataset: Dataset, rows: Rows, images: Pixels, altered: Altered, version: str
) -> None:
    """Write the new images and where each comes from, as npz and as zip."""
    columns: dict[str, NDArray[np.generic]] = {
        "source": rows[altered.source],
        "neighbour": np.where(altered.neighbour < 0, -1, rows[altered.neighbour]),
    }
    if isinstance(altered, Counted):
        columns |= {"child": altered.number, "step": altered.share}
    plain = images[..., 0] if images.shape[-1] == 1 else images  # as the API answers grey images
    arrays: dict[str, NDArray[np.generic]] = {"images": plain, **columns}
    names = dataset.names_of(rows[altered.source])
    if names is not None:
        arrays["labels"] = np.array([name or "" for name in names])
    work.put("images.npz", write_npz(arrays))
    apart = {*NOTIFYING, "dataset", "recipe", "whole"}
    settings = params.model_dump(exclude=apart, exclude_none=True) | {"version": version}
    work.put("images.zip", write_zip(_told(work, images), names, _manifest(columns, settings, names)))


def _told(work: Work, images: Pixels) -> Iterator[Pixels]:
    """The images one by one, each reported as it is written."""
    for i, image in enumerate(images):
        work.report(0.8 + 0.2 * i / len(images), "writing files")
        yield image


def _manifest(
    columns: Mapping[str, NDArray[np.generic]], settings: Mapping[str, object], names: Sequence[str | None] | None
) -> Iterator[dict[str, object]]:
    """Each new image's row: where it comes from, the settings that all have in common, and its label."""
    for i in range(len(columns["source"])):
        row = {column: values[i].item() for column, values in columns.items()}
        yield row | dict(settings) | ({} if names is None else {"label": names[i]})


def _sheet(sources: Pixels, images: Pixels, source: Rows) -> list[list[Pixels]]:
    """The first sources, each followed by the first of its children."""
    return [
        [sources[i], *images[np.flatnonzero(source == i)[:SHEET_COLUMNS]]] for i in range(min(SHEET_ROWS, len(sources)))
    ]
