"""MNIST (LeCun et al., 1998): 55,000 training, 5,000 validation and 10,000 test images of 28x28, as section 4.1 has it.

The files are read from `<data_dir>/mnist` or `<data_dir>` if `LATENTAUG_DATA_DIR` is set, or from
`<home>/downloads/mnist`, where an earlier call kept them; otherwise they are downloaded from a public mirror. Each file
is checked by its SHA-256.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets.dataset import Dataset, DatasetDescription
from latentaug.datasets.downloads import fetch, keep
from latentaug.errors import Unavailable

# SHA-256 of the uncompressed files and their sizes in bytes.
FILES = {
    "train-images-idx3-ubyte": ("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 47040016),
    "train-labels-idx1-ubyte": ("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 60008),
    "t10k-images-idx3-ubyte": ("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 7840016),
    "t10k-labels-idx1-ubyte": ("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 10008),
}
MIRRORS = ("https://storage.googleapis.com/cvdf-datasets/mnist", "https://ossci-datasets.s3.amazonaws.com/mnist")
TRAIN, VALIDATION, TEST = 55_000, 5_000, 10_000
_SOURCE = "MNIST, LeCun et al., 1998 (CC BY-SA 3.0)"
_MAX_DOWNLOAD = 16 * 2**20  # bytes; the largest file is 9.6 MB compressed

DESCRIPTION = DatasetDescription(
    name="mnist",
    built_in=True,
    source=_SOURCE,
    images=TRAIN + VALIDATION + TEST,
    labelled=TRAIN + VALIDATION + TEST,
    height=28,
    width=28,
    channels=1,
    classes=[str(digit) for digit in range(10)],
    class_counts=[6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958],
    parts={"train": TRAIN, "validation": VALIDATION, "test": TEST},
)


def load(folders: Sequence[Path]) -> Dataset:
    """Load MNIST: the 60,000 official training images (the last 5,000 of them for validation), then the 10,000 of test.

    Args:
        folders: where the files are looked for, in this order; downloads are kept in the last.

    Raises:
        Unavailable: the files are missing, and no mirror answers with the right ones.
    """
    contents = {name: _read(name, folders) for name in FILES}
    images = np.concatenate([_idx(contents[f"{part}-images-idx3-ubyte"], 16) for part in ("train", "t10k")])
    labels = np.concatenate([_idx(contents[f"{part}-labels-idx1-ubyte"], 8) for part in ("train", "t10k")])
    train, validation, test = np.split(np.arange(len(labels), dtype=np.int64), [TRAIN, TRAIN + VALIDATION])
    return Dataset(
        name="mnist",
        images=images.reshape(-1, 28, 28, 1),
        labels=labels.astype(np.int64),
        classes=tuple(DESCRIPTION.classes),
        train=train,
        validation=validation,
        test=test,
        source=_SOURCE,
    )


def _read(name: str, folders: Sequence[Path]) -> bytes:
    """One file's uncompressed bytes, from the first place that has the right ones."""
    for place in (place for folder in folders for place in (folder / "mnist", folder)):
        for content in _local(name, place):
            if _right(name, content):
                return content
    for mirror in MIRRORS:
        compressed = fetch(f"{mirror}/{name}.gz", _MAX_DOWNLOAD)
        downloaded = None if compressed is None else _unpack(name, compressed)
        if downloaded is not None and _right(name, downloaded):
            keep(folders[-1] / "mnist" / name, downloaded)
            return downloaded
    raise Unavailable(
        f"the file {name} of MNIST is missing, and no mirror has it now; put the four .gz files into a folder 'mnist' "
        "and set LATENTAUG_DATA_DIR to its parent",
        retry_after=60,
    )


def _local(name: str, folder: Path) -> Iterator[bytes]:
    path, compressed = folder / name, folder / f"{name}.gz"
    if path.is_file():
        yield path.read_bytes()
    if compressed.is_file():
        content = _unpack(name, compressed.read_bytes())
        if content is not None:
            yield content


def _unpack(name: str, compressed: bytes) -> bytes | None:
    """What a gzip file holds, or as much of it as tells that it is too much."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(compressed)) as file:
            return file.read(FILES[name][1] + 1)
    except (OSError, EOFError, zlib.error):
        return None


def _right(name: str, content: bytes) -> bool:
    sha256, size = FILES[name]
    return len(content) == size and hashlib.sha256(content).hexdigest() == sha256


def _idx(content: bytes, header: int) -> NDArray[np.uint8]:
    """The values of an IDX file; its checksum has vouched for its header."""
    return np.frombuffer(content, np.uint8, offset=header)
