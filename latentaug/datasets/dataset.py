"""A data set in memory, and its description.

A data set may be labelled whole, in part, or not at all. An image without a label has `UNLABELLED` in place of its
label's number; where no image has a label, there are no numbers at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

from latentaug.datasets.duplicates import Duplicates
from latentaug.datasets.selection import Images, Selection

UNLABELLED = -1
"""Stands in place of a label's number for an image that has no label."""


def label_names(labels: NDArray[np.int64], classes: Sequence[str]) -> list[str | None]:
    """The name of each label, int64 [n]; None for `UNLABELLED`."""
    return [None if label == UNLABELLED else classes[label] for label in labels]


def counts_of(labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How many of these labels, int64 [n], are of each class; those that are `UNLABELLED` are of none."""
    return np.bincount(labels[labels != UNLABELLED], minlength=classes)


class LeftOut(BaseModel):
    """Images of a data set that are in none of its parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: int
    reason: str


class NotRead(BaseModel):
    """An image of the upload that could not be read, and was left out because that was asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    """Path of the image in the upload."""
    reason: str


class Unreadable(BaseModel):
    """The images of the upload that could not be read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: int
    """How many there are."""
    files: list[NotRead]
    """The first thousand of them."""


class DatasetDescription(BaseModel):
    """Everything about a data set but its images; the answer of `GET /v1/datasets/{dataset}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    built_in: bool
    source: str
    images: int
    labelled: int
    """Number of images with a label."""
    unlabelled: int = 0
    """Number of images without a label."""
    height: int
    width: int
    channels: int
    classes: list[str]
    """Label names by label number; empty if there are no labels."""
    class_counts: list[int] | None = None
    """Number of labelled images of each class, if that is known without reading them."""
    train_counts: list[int] | None = None
    """Of these, how many are in the training part; null where that is not known."""
    parts: dict[str, int]
    """Number of images in the training, validation and test parts."""
    labelled_parts: dict[str, int] = {}
    """Number of labelled images in each of these parts."""
    parts_given: bool = False
    """Whether the parts are those that the upload's folders train, valid and test name. One that they lack is drawn."""
    unreadable: Unreadable | None = None
    """Images of the upload that are not in the data set, because they cannot be read; null if there are none."""
    left_out: LeftOut | None = None
    """Images that are in no part, and why; null if every image is in one."""
    duplicates: Duplicates | None = None
    """Images that show the same picture, each of which is in one part; null if nobody looked for them."""
    warnings: list[str] = []
    """What to know before the data set is used, in sentences."""
    version: str | None = None
    """Name of the folder of an upload's files in the store."""
    sha256: str | None = None
    """Checksum of an upload's stored arrays."""
    created_at: datetime | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all images."""
        return self.images * self.height * self.width * self.channels

    @model_validator(mode="before")
    @classmethod
    def _all_or_none_labelled(cls, data: Any) -> Any:
        """Fill in what a description lacks that does not count labels: all of its images have one, or none."""
        if not isinstance(data, dict) or "labelled_parts" in data:
            return data
        labelled, n, parts = bool(data.get("classes")), data.get("images", 0), data.get("parts", {})
        counts = {"labelled": n if labelled else 0, "unlabelled": 0 if labelled else n}
        return {**counts, "labelled_parts": parts if labelled else dict.fromkeys(parts, 0), **data}


@dataclass(frozen=True)
class Dataset:
    """Images, labels, and the parts that they are split into.

    Attributes:
        name: the data set's name.
        images: uint8 [n, height, width, channels].
        labels: int64 [n], numbers into `classes`, or `UNLABELLED` for an image without a label; None where no image
            has one.
        classes: label names.
        train: rows of the training part, int64; some may be unlabelled.
        validation: rows that decide when VAE training stops, int64; some may be unlabelled.
        test: rows on which accuracy is measured and nothing else, int64; all are labelled if any image is.
        source: where the images come from.
        mapped: whether the images are in a file, and come into memory only as they are read.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    source: str
    mapped: bool = False

    @property
    def labelled_train(self) -> NDArray[np.int64]:
        """Rows of the training part that have a label, int64."""
        return self.train[:0] if self.labels is None else self.train[self.labels[self.train] != UNLABELLED]

    @property
    def pool(self) -> NDArray[np.int64]:
        """Rows of the training part that have no label, int64."""
        return self.train if self.labels is None else self.train[self.labels[self.train] == UNLABELLED]

    def take(self, rows: NDArray[np.int64]) -> Images:
        """The images of these rows; where the images are mapped, so is what this returns."""
        return Selection(self.images, rows) if self.mapped else self.images[rows]

    def names_of(self, rows: NDArray[np.int64]) -> list[str | None] | None:
        """Names of these rows' labels, None for a row without one; None in all if no image has a label."""
        return None if self.labels is None else label_names(self.labels[rows], self.classes)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over images, labels and parts: equal data have equal checksums, whatever their names."""
        digest = hashlib.sha256(repr((self.images.shape, self.classes)).encode())
        for array in (self.images, self.labels, self.train, self.validation, self.test):
            digest.update(b"none" if array is None else np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()
