"""The label job: the labels of a data set's training part, or of all of it, spread over its unlabelled images."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentaug import datasets
from latentaug.augment.counts import most_of_a_job
from latentaug.augment.labelling import check_labels
from latentaug.augment.spreading import Expected, Spread, spread
from latentaug.datasets import UNLABELLED, Dataset, label_names
from latentaug.errors import InvalidInput
from latentaug.imaging.archives import folder_names, write_npz, write_zip
from latentaug.imaging.pixels import Pixels
from latentaug.imaging.spreadsheets import cells
from latentaug.options import NOTIFYING, LabelParams
from latentaug.storage import models
from latentaug.vae.codec import Codec, read_vae
from worker.vaes import device
from worker.work import Work

SHARD = 100_000
"""Images of each file where they are too many for one: as many as a zip may hold that is laid out anew."""
_TOGETHER = 1000  # entries

Rows = NDArray[np.int64]

_APART = {*NOTIFYING, "dataset", "model", "whole"}
"""Parameters that say nothing of how labels are spread."""
ENCODED, SPREAD = 0.1, 0.9
"""How far the job has come once the images are encoded, and once the labels are spread."""


def label(work: Work, params: LabelParams) -> dict[str, Any]:
    """Encode the training part, or all images, spread the labels, and write down what came of it; return a summary.

    Files: `result.json`, `rows.csv` (each unlabelled image's row in the data set, label, confidence, whether it is
    kept, and the row of the labelled image that its label came from), `images.npz` and `images.zip` (the kept images
    with their labels; where they are too many for one file, `SHARD` of them in each of `images-0.npz`, `images-1.npz`
    and so on). Images of the other parts take no part in anything, unless the whole data set is asked for.

    Raises:
        InvalidInput: there is no label, or no image without one; or the model takes other images.
        TooLarge: more images and classes than labels are spread over.
    """
    dataset = datasets.load(params.dataset, work.artefacts, work.settings.dataset_folders)
    model = models.describe(work.artefacts, params.model)
    rows = np.arange(len(dataset.images)) if params.whole else dataset.train  # [n]
    images = dataset.take(rows)  # [n, h, w, c]
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
    new = np.flatnonzero(labels == UNLABELLED)
    kept = new[made.kept[new]]
    most = most_of_a_job(images.shape[1:], work.settings.max_result_bytes)
    size = len(kept) if len(kept) <= most else min(most, SHARD)
    shards = -(-len(kept) // max(1, size))
    summary = {
        "space": made.space,
        "labelled": len(images) - len(new),
        "unlabelled": len(new),
        "kept": len(kept),
        "expected_accuracy": _expected(made.expected, dataset.classes),
        **({"shards": shards} if shards > 1 else {}),
    }
    asked = rows[made.ask_next].tolist()
    told = {
        **params.model_dump(mode="json", exclude=set(NOTIFYING)),
        "model_version": model.version,
        "dataset_checksum": dataset.checksum,
        **summary,
        "ask_next": asked,
    }
    work.put_pieces("result.json", _json(told, _entries(dataset, rows, new, made)))
    work.put_pieces("rows.csv", _table(_entries(dataset, rows, new, made)))
    folders = folder_names(label_names(made.labels[kept], dataset.classes))
    for number in range(max(1, shards)):
        shard = list(_entries(dataset, rows, kept[number * size : (number + 1) * size], made))
        _write_kept(work, dataset, shard, Place(f"-{number}" if shards > 1 else "", number * size, len(kept), folders))
    return summary


def _entries(dataset: Dataset, rows: Rows, new: Rows, made: Spread) -> Iterator[dict[str, Any]]:
    """What came of each of the `new` ones, which had no label, among these rows of the data set."""
    for start in range(0, len(new), _TOGETHER):
        some = new[start : start + _TOGETHER]
        columns = (
            rows[some].tolist(),
            label_names(made.labels[some], dataset.classes),
            made.confidence[some].tolist(),
            made.kept[some].tolist(),
            rows[made.nearest[some]].tolist(),
        )
        for row, name, confidence, kept, nearest in zip(*columns, strict=True):
            yield {"row": row, "label": name, "confidence": round(confidence, 6), "kept": kept, "nearest": nearest}


def _json(told: dict[str, Any], entries: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """A JSON object of all that is told, with the entries as `rows`, piece by piece."""
    yield json.dumps(told, indent=1, allow_nan=False).removesuffix("\n}").encode() + b',\n "rows": ['
    before = "\n  "
    while some := list(islice(entries, _TOGETHER)):
        yield (before + ",\n  ".join(json.dumps(entry, allow_nan=False) for entry in some)).encode()
        before = ",\n  "
    yield b"\n ]\n}"


def _expected(expected: Expected, classes: Sequence[str]) -> dict[str, Any]:
    by_class = dict(zip(classes, expected.per_class, strict=True))
    return {"mean": expected.mean, "low": expected.low, "high": expected.high, "per_class": by_class}


def _table(entries: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """The entries as a table, piece by piece."""
    first = True
    while some := list(islice(entries, _TOGETHER)):
        out = io.StringIO()
        writer = csv.DictWriter(out, list(some[0]), lineterminator="\n")
        if first:
            writer.writeheader()
        writer.writerows(cells(entry) for entry in some)
        yield out.getvalue().encode()
        first = False


class Place(NamedTuple):
    """Where some of the kept images stand among all.

    Attributes:
        mark: what tells the names of their files from those of others.
        first: number of the first of them.
        all: how many there are in all.
        folders: the folder of each label.
    """

    mark: str
    first: int
    all: int
    folders: Mapping[str | None, str]


def _write_kept(work: Work, dataset: Dataset, kept: Sequence[dict[str, Any]], place: Place) -> None:
    """Write some of the images that are kept, with their new labels, as npz and as zip."""
    rows = np.array([entry["row"] for entry in kept], np.int64)
    names = [str(entry["label"]) for entry in kept]
    images = dataset.images[rows]
    arrays = {
        "images": images[..., 0] if images.shape[-1] == 1 else images,  # as the API answers grey images
        "labels": np.array(names, np.str_),
        "confidence": np.array([entry["confidence"] for entry in kept], np.float32),
        "row": rows,
    }
    work.put(f"images{place.mark}.npz", write_npz(arrays))
    manifest = ({name: value for name, value in entry.items() if name != "kept"} for entry in kept)
    told = _told(work, images, place)
    work.put(f"images{place.mark}.zip", write_zip(told, names, manifest, first=place.first, folders=place.folders))


def _told(work: Work, images: Pixels, place: Place) -> Iterator[Pixels]:
    """The images one by one, each reported as it is written."""
    for i, image in enumerate(images):
        work.report(SPREAD + (1 - SPREAD) * (place.first + i) / place.all, "writing files")
        yield image
