"""Data sets: the bundled digits, MNIST, UJIPEN, and those that callers upload.

`names` and `describe` answer at once, without reading images. `load` reads the images and their split into training,
validation and test parts, which never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from latentaug.datasets import digits, mnist, ujipen, uniform, uploads
from latentaug.datasets.built_in import BUILT_IN
from latentaug.datasets.dataset import UNLABELLED, Dataset, DatasetDescription, NotRead, Unreadable, label_names
from latentaug.datasets.inspection import told_missing
from latentaug.datasets.uploads import Reading
from latentaug.errors import Conflict
from latentaug.storage.objects import ArtefactStore

__all__ = [
    "BUILT_IN",
    "UNLABELLED",
    "Dataset",
    "DatasetDescription",
    "NotRead",
    "Reading",
    "Unreadable",
    "check_exists",
    "check_size",
    "create",
    "delete",
    "describe",
    "label_names",
    "load",
    "names",
    "told_missing",
]

create = uploads.create
check_size = uniform.check_size


def names(store: ArtefactStore) -> list[str]:
    """Names of all data sets: the built-in ones, then the uploads."""
    return [*BUILT_IN, *uploads.names(store)]


def describe(name: str, store: ArtefactStore) -> DatasetDescription:
    """Describe a data set without reading its images.

    Raises:
        NotFound: no such data set.
    """
    return BUILT_IN.get(name) or uploads.describe(store, name)


def load(name: str, store: ArtefactStore, folders: Sequence[Path]) -> Dataset:
    """Load a data set's images, labels and parts.

    Args:
        name: the data set's name.
        store: the store that holds uploads.
        folders: where files of public data sets are looked for, in this order; downloads are kept in the last, and so
            are copies of large uploads from a store that is elsewhere.

    Raises:
        NotFound: no such data set.
        Damaged: the stored bytes of an upload are not those that were written.
        Unavailable: the files of MNIST or UJIPEN are missing and cannot be downloaded now.
        MalformedInput: a local file of UJIPEN is not what it claims to be.
    """
    if name == "digits":
        return digits.load()
    if name == "mnist":
        return mnist.load(folders)
    if name in ujipen.DESCRIPTIONS:
        return ujipen.load(name, folders)
    return uploads.load(store, name, folders[-1] if folders else None)


def delete(store: ArtefactStore, name: str) -> None:
    """Delete an upload.

    Raises:
        Conflict: the data set is built in.
        NotFound: no such data set.
    """
    if name in BUILT_IN:
        raise Conflict(f"{name!r} is built in and cannot be deleted")
    uploads.delete(store, name)


def check_exists(name: str, store: ArtefactStore) -> None:
    """Make sure that there is a data set of this name, be it damaged or not.

    Raises:
        NotFound: no such data set.
    """
    if name not in BUILT_IN:
        uploads.check_exists(store, name)
