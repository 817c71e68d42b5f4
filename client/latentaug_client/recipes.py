"""A recipe's training set of rows that are at hand: they are uploaded for as long as the service works on them."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentaug_client.client import Client
from latentaug_client.labels import as_array, unlabelled
from latentaug_client.rows import as_rows, intensities, white_of, whole_columns


@dataclass(frozen=True)
class TrainingSet:
    """What a recipe makes of labelled and unlabelled rows.

    Attributes:
        rows: float [m, ...], values in 0..1, in the form of the given rows: the labelled ones, the newly labelled ones,
            and the new ones.
        labels: [m], of the given labels' type.
        kind: [m], "real", "labelled" or "new".
        source: int64 [m], the given row that each is, or was made of.
        neighbour: int64 [m], the given row that each was moved towards or away from; -1 for none.
    """

    rows: NDArray[Any]
    labels: NDArray[Any]
    kind: NDArray[Any]
    source: NDArray[np.int64]
    neighbour: NDArray[np.int64]


def training_set(client: Client, recipe: Mapping[str, Any] | str, rows: NDArray[Any], labels: ArrayLike) -> TrainingSet:
    """Make a recipe's training set.

    Args:
        client: of the service.
        recipe: a recipe, or the id of a recommend job that found one.
        rows: images in 0..1, or whole numbers in 0..255, [n, h, w], [n, h, w, c] or flattened.
        labels: one for each row; -1, NaN, None or an empty text for none.

    Raises:
        ValueError: values outside these ranges, or flattened images of which nothing tells the sides.
    """
    given: Mapping[str, Any] = client.job(recipe).record["result"]["recipe"] if isinstance(recipe, str) else recipe
    images = intensities(rows, white_of(rows)).reshape(-1, *_shape(client, given.get("model"), rows))
    name = f"recipe-{uuid4().hex}"
    client.upload(name, np.rint(255 * images).astype(np.uint8), labels)
    try:
        job = client.augment_dataset(name, recipe=dict(given), whole=True).wait()
        with np.load(io.BytesIO(job.result("npz")), allow_pickle=False) as arrays:
            return _read(dict(arrays), rows, as_array(labels))
    finally:
        client.delete_dataset(name)


def _read(arrays: Mapping[str, NDArray[Any]], rows: NDArray[Any], labels: NDArray[Any]) -> TrainingSet:
    kind, source = arrays["kind"], arrays["source"]
    new = kind == "new"
    made = as_rows(arrays["images"][new], rows, whole_columns(rows, rows.dtype), white_of(rows))
    # The service tells labels by name; an image of the same name that was given tells which one that is.
    known = np.flatnonzero((kind == "real") & ~unlabelled(labels)[source])
    names, first = np.unique(arrays["labels"][known], return_index=True)
    found = labels[source[known[first]]][np.searchsorted(names, arrays["labels"])]
    return TrainingSet(np.concatenate([rows[source[~new]], made]), found, kind, source, arrays["neighbour"])


def _shape(client: Client, model: str | None, rows: NDArray[Any]) -> tuple[int, ...]:
    """Height, width and channels of the images that rows are."""
    if model is not None:
        described = client.model(model)
        return described["height"], described["width"], described["channels"]
    if rows.ndim > 2:
        return (*rows.shape[1:], 1)[:3]
    side = math.isqrt(rows.shape[1])
    if side * side != rows.shape[1]:
        raise ValueError(f"rows of {rows.shape[1]} numbers are no square images; give X as [n, height, width]")
    return side, side, 1
