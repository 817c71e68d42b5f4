"""The augment job with a recipe: the whole training set that it describes, each image with where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentaug import datasets
from latentaug.augment import spreading
from latentaug.augment.counts import most_of_a_job
from latentaug.datasets import Dataset
from latentaug.errors import InvalidInput, NotFound, TooLarge
from latentaug.evaluation.recipes import KINDS, NEW, Given, TrainingSet, make, size
from latentaug.imaging.archives import write_npz, write_zip
from latentaug.imaging.pixels import contact_sheet, encode_png
from latentaug.options import METHODS, AugmentParams, Recipe
from latentaug.storage import models
from latentaug.storage.models import ModelDescription
from latentaug.vae.codec import Codec, read_vae
from worker.quality import Made, measure
from worker.vaes import device
from worker.work import Work

Rows = NDArray[np.int64]

SHEET_ROWS, SHEET_COLUMNS = 10, 64
"""Most sources on the sheet `report.png`, and most images made of each."""

_SPREADING, _MAKING = 0.4, 0.8


def make_training_set(work: Work, params: AugmentParams) -> dict[str, Any]:
    """Make the training set of `params.recipe`; return a summary.

    Files: `images.npz` (the images, their labels, and each one's kind, source, neighbour, confidence and part),
    `images.zip` (PNG files in label folders and `manifest.csv`), `report.png` (some images, each with those that were
    made of it), `result.json` and, where the recipe has a model, those of `quality.measure` on the new images.

    Raises:
        InvalidInput: the data set has no labels, or its images are not of the model's shape.
        NotFound: no such data set, model or recommend job.
        TooLarge: more images than one job makes.
    """
    recipe = read_recipe(work, params)
    dataset = datasets.load(params.dataset, work.artefacts, work.settings.dataset_folders)
    model = None if recipe.model is None else models.describe(work.artefacts, recipe.model)
    rows = np.arange(len(dataset.images)) if params.whole else dataset.train
    given = _given(work, dataset, rows, model)
    _check(given, recipe, work.settings.max_result_bytes)
    spread = _spread(work, given, recipe)
    training = make(
        given, recipe, spread, lambda done: work.report(_between(_SPREADING, _MAKING, done), "making images")
    )
    quality = _quality(work, dataset, rows, given, recipe, training)
    work.report(_MAKING, "writing files", final=True)
    _write(work, dataset, rows, recipe, training, "" if model is None else model.version)
    counts = {kind: training.count(kind) for kind in KINDS}
    expected = None if spread is None else spread.expected
    work.put_json(
        "result.json",
        {
            "dataset": dataset.name,
            "dataset_checksum": dataset.checksum,
            "recipe": recipe.model_dump(mode="json"),
            "model_version": None if model is None else model.version,
            "images": len(training.labels),
            **counts,
            "shape": list(training.images.shape[1:]),
            "space": None if spread is None else spread.space,
            "expected_accuracy": None
            if expected is None
            else {"mean": expected.mean, "low": expected.low, "high": expected.high, "per_class": expected.per_class},
            "quality": quality,
        },
    )
    return {"images": len(training.labels), **counts, "quality": quality}


def read_recipe(work: Work, params: AugmentParams) -> Recipe:
    """The recipe itself, which a recommend job may have found.

    Raises:
        NotFound: there is no such job, or no longer its result.
    """
    if isinstance(params.recipe, Recipe):
        return params.recipe
    try:
        return Recipe.model_validate(work.result_of(str(params.recipe))["recipe"])
    except (NotFound, KeyError) as error:
        raise NotFound(f"job {params.recipe} has no recipe; name a recommend job that has succeeded") from error


def _given(work: Work, dataset: Dataset, rows: Rows, model: ModelDescription | None) -> Given:
    """The data set's `rows`, encoded where there is a model."""
    images, where = dataset.images[rows], device(work.settings)
    if dataset.labels is None:
        raise InvalidInput(f"{dataset.name!r} has no labels, so a recipe has nothing to start from; label some images")
    if model is not None and images.shape[1:] != (model.height, model.width, model.channels):
        raise InvalidInput(
            f"{dataset.name!r} has images of {list(images.shape[1:])}, the model takes others; choose a recipe whose "
            "model was trained on images of this size"
        )
    codec = None if model is None else Codec(read_vae(work.artefacts, model), where)
    work.report(0.0, "encoding images", final=True)
    return Given.of(images, dataset.labels[rows], len(dataset.classes), codec)


def _check(given: Given, recipe: Recipe, most_bytes: int) -> None:
    wanted, most = size(given, recipe), most_of_a_job(given.images.shape[1:], most_bytes)
    if wanted > most:
        raise TooLarge(
            f"this recipe makes up to {wanted} images of these, and one job makes at most {most} of this size; give "
            "fewer copies or fewer newly labelled images"
        )


def _spread(work: Work, given: Given, recipe: Recipe) -> spreading.Spread | None:
    if recipe.spread is None or not given.unlabelled:
        return None
    return spreading.spread(
        given.images,
        given.labels,
        given.classes,
        latents=given.latents,
        space=recipe.spread.space,
        keep=recipe.spread.keep,
        seed=recipe.seed,
        progress=lambda done, stage: work.report(_SPREADING * done, stage),
    )


def _quality(
    work: Work, dataset: Dataset, rows: Rows, given: Given, recipe: Recipe, training: TrainingSet
) -> dict[str, Any] | None:
    """What `quality.measure` says of the new images; None where there is no model to see them by."""
    if given.codec is None or given.latents is None:
        return None
    new = training.kind == KINDS.index(NEW)
    made = Made(training.images[new], training.labels[new], training.source[new])
    by_alpha = any(part.source in METHODS for part in recipe.parts)
    return measure(work, _MAKING, given.codec, dataset, rows, given.latents, made, by_alpha=by_alpha)


def _write(work: Work, dataset: Dataset, rows: Rows, recipe: Recipe, training: TrainingSet, version: str) -> None:
    """Write the images and where each comes from, as npz, as zip and as a sheet."""
    images = training.images
    names = [dataset.classes[label] for label in training.labels]
    columns: dict[str, NDArray[np.generic]] = {
        "kind": np.array(KINDS)[training.kind],
        "source": rows[training.source],
        "neighbour": np.where(training.neighbour < 0, -1, rows[training.neighbour]),
        "confidence": training.confidence,
        "method": np.array([*(part.source for part in recipe.parts), ""])[training.part],
    }
    plain = images[..., 0] if images.shape[-1] == 1 else images  # as the API answers grey images
    work.put("images.npz", write_npz({"images": plain, "labels": np.array(names), **columns}))
    told = {"model": recipe.model or "", "version": version, "seed": recipe.seed}
    each = ({name: values[i].item() for name, values in columns.items()} for i in range(len(images)))
    manifest = ({**row, **told, "label": name} for row, name in zip(each, names, strict=True))
    work.put("images.zip", write_zip(_each(work, images), names, manifest))
    work.put("report.png", encode_png(contact_sheet(_sheet(training), scale=2)))


def _each(work: Work, images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for i, image in enumerate(images):
        work.report(_between(_MAKING, 1.0, i / len(images)), "writing files")
        yield image


def _sheet(training: TrainingSet) -> list[Sequence[NDArray[np.uint8]]]:
    """Some images, each followed by those that were made of it."""
    return [training.images[training.source == row][:SHEET_COLUMNS] for row in training.source[:SHEET_ROWS]]


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share
