"""The label job: the labels of a data set's training part, or of all of it, spread over its unlabelled images."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentaug import datasets
from latentaug.augment.labelling import check_labels
from latentaug.augment.spreading import Expected, Spread, spread
from latentaug.datasets import UNLABELLED, Dataset, label_names
from latentaug.errors import InvalidInput
from latentaug.imaging.archives import write_npz, write_zip
from latentaug.imaging.pixels import Pixels
from latentaug.imaging.spreadsheets import cells
from latentaug.options import NOTIFYING, LabelParams
from latentaug.storage import models
from latentaug.vae.codec import Codec, read_vae
from worker.vaes import device
from worker.work import Work

Rows = NDArray[np.int64]

_APART = {*NOTIFYING, "dataset", "model", "whole"}
"""Parameters that say nothing of how labels are spread."""
ENCODED, SPREAD = 0.1, 0.9
"""How far the job has come once the images are encoded, and once the labels are spread."""


def label(work: Work, params: LabelParams) -> dict[str, Any]:
    """Encode the training part, or all images, spread the labels, and write down what came of it; return a summary.

    Files: `result.json`, `rows.csv` (each unlabelled image's row in the data set, label, confidence, whether it is
    kept, and the row of the labelled image that its label came from), `images.npz` and `images.zip` (the kept images
    with their labels). Images of the other parts take no part in anything, unless the whole data set is asked for.

    Raises:
        InvalidInput: there is no label, or no image without one; or the model takes other images.
        TooLarge: more images and classes than labels are spread over.
    """
    dataset = datasets.load(params.dataset, work.artefacts, work.settings.dataset_folders)
    model = models.describe(work.artefacts, params.model)
    rows = np.arange(len(dataset.images)) if params.whole else dataset.train  # [n]
    images = dataset.images[rows]  # [n, h, w, c]
    if dataset.labels is None:
        raise InvalidInput(f"{dataset.name!r} has no label to spread; label at least one image of each class")
    if images.shape[1:] != (model.height, model.width, model.channels):
        raise InvalidInput(f"model {model.name!r} takes images of another shape than those of {dataset.name!r}")
    labels = dataset.labels[rows]
    check_labels(labels)
    work.report(0.0, "encoding", final=True)
    latents = Codec(read_vae(work.artefacts, model), device(work.settings)).encode(images)

    def tell(fraction: float, stage: str) -> None:
        work.report(ENCODED + (SPREAD - ENCODED) * fraction, stage)

    made = spread(
        images, labels, len(dataset.classes), latents=latents, progress=tell, **params.model_dump(exclude=_APART)
    )
    work.report(SPREAD, "writing files", final=True)
    entries = list(_entries(dataset, rows, np.flatnonzero(labels == UNLABELLED), made))
    kept = sum(bool(entry["kept"]) for entry in entries)
    summary = {
        "space": made.space,
        "labelled": len(images) - len(entries),
        "unlabelled": len(entries),
        "kept": kept,
        "expected_accuracy": _expected(made.expected, dataset.classes),
    }
    asked = rows[made.ask_next].tolist()
    work.put_json(
        "result.json",
        {
            **params.model_dump(mode="json", exclude=set(NOTIFYING)),
            "model_version": model.version,
            "dataset_checksum": dataset.checksum,
            **summary,
            "ask_next": asked,
            "rows": entries,
        },
    )
    work.put("rows.csv", _table(entries))
    _write_kept(work, dataset, [entry for entry in entries if entry["kept"]])
    return summary


def _entries(dataset: Dataset, rows: Rows, new: Rows, made: Spread) -> Iterator[dict[str, Any]]:
    """What came of each of the `new` ones, which had no label, among these rows of the data set."""
    columns = (
        rows[new].tolist(),
        label_names(made.labels[new], dataset.classes),
        made.confidence[new].tolist(),
        made.kept[new].tolist(),
        rows[made.nearest[new]].tolist(),
    )
    for row, name, confidence, kept, nearest in zip(*columns, strict=True):
        yield {"row": row, "label": name, "confidence": round(confidence, 6), "kept": kept, "nearest": nearest}


def _expected(expected: Expected, classes: Sequence[str]) -> dict[str, Any]:
    by_class = dict(zip(classes, expected.per_class, strict=True))
    return {"mean": expected.mean, "low": expected.low, "high": expected.high, "per_class": by_class}


def _table(entries: Sequence[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(entries[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells(entry) for entry in entries)
    return out.getvalue()


def _write_kept(work: Work, dataset: Dataset, kept: Sequence[dict[str, Any]]) -> None:
    """Write the images that are kept, with their new labels, as npz and as zip."""
    rows = np.array([entry["row"] for entry in kept], np.int64)
    names = [str(entry["label"]) for entry in kept]
    images = dataset.images[rows]
    arrays = {
        "images": images[..., 0] if images.shape[-1] == 1 else images,  # as the API answers grey images
        "labels": np.array(names, np.str_),
        "confidence": np.array([entry["confidence"] for entry in kept], np.float32),
        "row": rows,
    }
    work.put("images.npz", write_npz(arrays))
    manifest = ({name: value for name, value in entry.items() if name != "kept"} for entry in kept)
    work.put("images.zip", write_zip(_told(work, images), names, manifest))


def _told(work: Work, images: Pixels) -> Iterator[Pixels]:
    """The images one by one, each reported as it is written."""
    for i, image in enumerate(images):
        work.report(SPREAD + (1 - SPREAD) * i / len(images), "writing files")
        yield image
