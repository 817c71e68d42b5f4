"""Data sets that callers upload, kept in the artefact store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors

from latentaug.datasets import duplicates, inspection
from latentaug.datasets.built_in import BUILT_IN
from latentaug.datasets.dataset import (
    UNLABELLED,
    Dataset,
    DatasetDescription,
    LeftOut,
    Unreadable,
    counts_of,
    label_names,
)
from latentaug.datasets.duplicates import Copies, Duplicates
from latentaug.datasets.selection import MOST_IN_MEMORY
from latentaug.datasets.splitting import Parts, check_enough, split, split_as_given, split_partly_labelled
from latentaug.datasets.uniform import numbered, uniform
from latentaug.errors import Conflict, Damaged, NotFound, NotStored
from latentaug.imaging.intake import resized
from latentaug.imaging.pixels import Pixels
from latentaug.storage import artefacts, formats, tensors
from latentaug.storage.local import local_file
from latentaug.storage.objects import ArtefactStore, check_name, whole

LEAK = "These unlabelled images show what test images show, so nothing may train on them."
UNUSED = "These unlabelled images are in the test part or show what test images show, so nothing may train on them."
"""The same where the parts are those that the images came in."""


@dataclass(frozen=True)
class Reading:
    """What reading an upload's files told, besides images and labels.

    Attributes:
        parts: each image's part, train, validation or test, or None for one in none; None in all to draw the parts.
        warnings: what to tell, in sentences.
        unreadable: images that were left out, or None.
    """

    parts: Sequence[str | None] | None = None
    warnings: Sequence[str] = field(default_factory=list)
    unreadable: Unreadable | None = None


PLAIN = Reading()
"""Reading that told nothing."""
Rows = NDArray[np.int64]


def create(
    store: ArtefactStore,
    name: str,
    images: Sequence[Pixels] | Pixels,
    labels: Sequence[str | None] | None,
    max_bytes: int,
    size: tuple[int, int] | None = None,
    files: Sequence[str] | None = None,
    reading: Reading = PLAIN,
) -> DatasetDescription:
    """Store an upload, and split it into parts once and for all, or keep the parts that it came in.

    Images of one picture are kept in one part, if the parts are drawn.

    Args:
        store: the store to write to.
        name: a name that no data set has yet.
        images: each uint8 [h, w, 1 or 3]; one image in colour makes the whole data set coloured.
        labels: one for each image, in which None stands for an image without a label; or None if no image has one.
        max_bytes: most bytes of all decoded images together.
        size: height and width that every image is resized to, with its aspect kept and the rest padded; None if all
            images have one size.
        files: each image's path in the upload, to name it with; None if they were no files.
        reading: what reading the files told.

    Raises:
        Conflict: the name is taken.
        InvalidInput: sizes differ and `size` is None, sides outside 8..256, labels that do not match the images.
        TooFewImages: fewer than 4 images.
        TooLarge: over the limit on decoded bytes.
        NotStored: there is no room for it; then nothing of it is kept.
    """
    check_free(store, name)
    check_enough(len(images))
    sizes = [(image.shape[0], image.shape[1]) for image in images]
    pixels = uniform(images, sizes, size, max_bytes, files)
    told = [*reading.warnings, *([] if size is None else resized(sizes, size))]
    return keep(store, name, pixels, labels, files, replace(reading, warnings=told))


def check_free(store: ArtefactStore, name: str) -> None:
    """Refuse a name that a data set has.

    Raises:
        InvalidInput: no data set can be called so.
        Conflict: it is taken.
    """
    if check_name(name, "data set") in BUILT_IN or store.exists(_path(name)):
        raise _taken(name)


def keep(
    store: ArtefactStore,
    name: str,
    pixels: Pixels,
    labels: Sequence[str | None] | None,
    files: Sequence[str] | None,
    reading: Reading,
) -> DatasetDescription:
    """Look at images of one size, split them and store them, as `create` says.

    The images, uint8 [n, h, w, c], may be mapped from a file, as no more than a few of them are in memory at a time.
    """
    classes, codes = numbered(labels, len(pixels))
    labelled = np.zeros(len(pixels), np.bool_) if codes is None else codes != UNLABELLED
    copies = duplicates.find(pixels)
    rows = _parts(reading.parts, codes, classes, copies.pictures)
    parts = dict(zip(("train", "validation", "test"), rows, strict=True))
    left_out = len(pixels) - sum(len(part) for part in rows)
    arrays: dict[str, NDArray[np.generic]] = {"images": pixels, **parts}
    if codes is not None:
        arrays["labels"] = codes
    named = [None] * len(pixels) if codes is None else label_names(codes, classes)
    found = duplicates.describe(copies, named, files)
    warnings = [
        *reading.warnings,
        *inspection.look(pixels, codes, rows[0], classes, files),
        *_of_parts(reading.parts, parts, copies, found, files),
    ]
    description = DatasetDescription(
        name=name,
        built_in=False,
        source="upload",
        images=len(pixels),
        labelled=int(labelled.sum()),
        unlabelled=int((~labelled).sum()),
        height=pixels.shape[1],
        width=pixels.shape[2],
        channels=pixels.shape[3],
        classes=classes,
        class_counts=None if codes is None else counts_of(codes, len(classes)).tolist(),
        train_counts=None if codes is None else counts_of(codes[rows[0]], len(classes)).tolist(),
        parts={name: len(part) for name, part in parts.items()},
        labelled_parts={name: int(labelled[part].sum()) for name, part in parts.items()},
        parts_given=reading.parts is not None,
        unreadable=reading.unreadable,
        left_out=LeftOut(images=left_out, reason=LEAK if reading.parts is None else UNUSED) if left_out else None,
        duplicates=found,
        warnings=warnings,
        version=uuid4().hex,
        created_at=datetime.now(UTC),
    )
    return _store(store, description, arrays)


def _of_parts(
    given: Sequence[str | None] | None,
    parts: Mapping[str, Rows],
    copies: Copies,
    found: Duplicates,
    files: Sequence[str] | None,
) -> list[str]:
    """What to know about repeated images, and about the parts if the upload gives them."""
    if given is None:
        return duplicates.warnings(found, len(copies.pictures))
    return [
        *inspection.given(given, {name: len(part) for name, part in parts.items()}),
        *inspection.leaks(given, copies.pictures, files),
        *duplicates.conflicts(found),
    ]


def _store(store: ArtefactStore, description: DatasetDescription, arrays: tensors.Arrays) -> DatasetDescription:
    """Write an upload's arrays, and then its description with their checksum, with which it exists."""
    digest = hashlib.sha256()

    def counted() -> Iterator[bytes]:
        for piece in tensors.pieces(arrays):
            digest.update(piece)
            yield piece

    with whole(store, _folder(description), _path(description.name)):
        if arrays["images"].nbytes > MOST_IN_MEMORY:
            store.put_pieces(_data_path(description), counted())
        else:
            store.put(_data_path(description), b"".join(counted()))
        description = description.model_copy(update={"sha256": digest.hexdigest()})
        try:
            store.create(_path(description.name), formats.write(description))
        except Conflict as error:
            store.delete_folder(_folder(description))
            raise _taken(description.name) from error
    return description


def describe(store: ArtefactStore, name: str) -> DatasetDescription:
    """Read an upload's description.

    Raises:
        NotFound: no such data set.
        Damaged: its description cannot be read.
        Newer: a newer service has written it.
    """
    try:
        return formats.read(DatasetDescription, store.get(_path(name)), f"the data set {name!r}")
    except NotFound as error:
        raise _unknown(name) from error
    except ValueError as error:
        raise _damaged(name, "its description cannot be read") from error


def names(store: ArtefactStore) -> list[str]:
    """Names of all uploads, sorted."""
    return [name for name in store.folders("datasets") if store.exists(_path(name))]


def load(store: ArtefactStore, name: str, copies: Path | None = None) -> Dataset:
    """Load an upload; one of more than `MOST_IN_MEMORY` bytes stays in its file.

    Args:
        store: where it is.
        name: its name.
        copies: a folder for copies of such files where the store is elsewhere; without it all images are loaded.

    Raises:
        NotFound: no such data set.
        Damaged: the stored bytes are not those that were written.
        NotStored: there is no room for a copy.
    """
    description = describe(store, name)
    copies = copies if description.nbytes > MOST_IN_MEMORY else None
    try:
        arrays = _read(store, description) if copies is None else _mapped(store, description, copies)
    except NotFound as error:
        check_exists(store, name)
        raise _damaged(name, "its images are missing") from error
    _mark_used(store, description)
    return Dataset(
        name=name,
        images=arrays["images"],
        labels=arrays.get("labels"),
        classes=tuple(description.classes),
        train=arrays["train"],
        validation=arrays["validation"],
        test=arrays["test"],
        source=description.source,
        mapped=copies is not None,
    )


def _read(store: ArtefactStore, description: DatasetDescription) -> dict[str, NDArray[Any]]:
    """An upload's arrays, in memory."""
    data = store.get(_data_path(description))
    _check(description, hashlib.sha256(data).hexdigest())
    return load_tensors(data)


def _mapped(store: ArtefactStore, description: DatasetDescription, copies: Path) -> dict[str, NDArray[Any]]:
    """An upload's arrays, in their file."""
    file = local_file(store, _data_path(description), copies, f"{description.version}.safetensors")
    with file.open("rb") as opened:
        _check(description, hashlib.file_digest(opened, "sha256").hexdigest())
    return tensors.views(np.asarray(np.memmap(file, np.uint8, "r")))


def _check(description: DatasetDescription, checksum: str) -> None:
    if checksum != description.sha256:
        raise _damaged(description.name, "its images are not what was written")


def _mark_used(store: ArtefactStore, description: DatasetDescription) -> None:
    with suppress(Conflict, NotStored):  # it is marked already, or cannot be, and may be read all the same
        store.create(_used_path(description), b"")


def delete(store: ArtefactStore, name: str) -> None:
    """Delete an upload, be it damaged or not.

    Raises:
        NotFound: no such data set.
    """
    check_exists(store, name)
    artefacts.delete(store, f"datasets/{name}")


def check_exists(store: ArtefactStore, name: str) -> None:
    """Make sure that there is an upload of this name, be it damaged or not.

    Raises:
        NotFound: no such data set.
    """
    if not store.exists(_path(name)):
        raise _unknown(name)


def _unknown(name: str) -> NotFound:
    return NotFound.named("datasets", name)


def _taken(name: str) -> Conflict:
    return Conflict(f"a data set named {name!r} exists; choose another name or delete it first")


def _damaged(name: str, how: str) -> Damaged:
    return Damaged(f"the data set {name!r} is damaged: {how}; delete it and upload it again")


def _path(name: str) -> str:
    return f"datasets/{check_name(name, 'data set')}/dataset.json"


def _data_path(description: DatasetDescription) -> str:
    return f"{_folder(description)}/arrays.safetensors"


def _used_path(description: DatasetDescription) -> str:
    return f"{_folder(description)}/{artefacts.USED}"


def _folder(description: DatasetDescription) -> str:
    return f"datasets/{description.name}/{description.version}"


def _parts(given: Sequence[str | None] | None, codes: Rows | None, classes: Sequence[str], pictures: Rows) -> Parts:
    """The rows of training, validation and test."""
    if given is not None:
        return split_as_given(given, codes, classes, pictures)
    if codes is None or (codes != UNLABELLED).all():
        return split(len(pictures), codes, pictures=pictures)
    return split_partly_labelled(codes, pictures)
