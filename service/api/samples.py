"""Some images of a data set, to look at or to augment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets import Dataset
from latentaug.errors import InvalidInput
from service.api.http.answers import NewImages, in_rows
from service.api.http.labels import Labels
from service.api.http.options import SampleOptions

SHEET_COLUMNS = 16


def sample(dataset: Dataset, options: SampleOptions) -> NewImages:
    """The images that the options name, each with its label and its row in the data set.

    Raises:
        InvalidInput: the data set does not have such a row or label.
    """
    rows = _drawn(dataset, options) if options.rows is None else _named(dataset, options.rows)  # [m]
    images = dataset.images[rows]
    labels = dataset.names_of(rows)
    provenance: list[dict[str, object]] = [{"dataset": dataset.name, "row": int(row)} for row in rows]
    if labels is not None:
        provenance = [{**entry, "label": label} for entry, label in zip(provenance, labels, strict=True)]
    return NewImages(
        images,
        provenance=lambda: provenance,
        per_image={"row": rows},
        settings={"dataset": dataset.name},
        labels=None if labels is None else Labels(labels),
        sheet=lambda: in_rows(images, SHEET_COLUMNS),
    )


def _named(dataset: Dataset, rows: str) -> NDArray[np.int64]:
    named = np.array([int(row) for row in rows.split(",")], np.int64)
    if named.max() >= len(dataset.images):
        raise _wrong("rows", f"{dataset.name!r} has no row {named.max()}; its rows are 0 to {len(dataset.images) - 1}")
    return named


def _drawn(dataset: Dataset, options: SampleOptions) -> NDArray[np.int64]:
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    rows = parts[options.part]
    if len(rows) == 0:
        raise _wrong("part", f"the {options.part} part of {dataset.name!r} has no image; choose another part")
    if options.label is not None:
        if dataset.labels is None or options.label not in dataset.classes:
            raise _wrong(
                "label",
                f"no image of {dataset.name!r} has the label {options.label!r}; leave label out",
            )
        rows = rows[dataset.labels[rows] == dataset.classes.index(options.label)]
        if len(rows) == 0:
            raise _wrong("label", f"the {options.part} part has no image of that label; choose another part")
    return np.random.default_rng(options.seed).permutation(rows)[: options.count]


def _wrong(field: str, message: str) -> InvalidInput:
    return InvalidInput(message, fields=[(field, message)])
