"""A folder of images to requests, and their answers to a folder of images with a manifest."""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from latentaug_client.payloads import image_files

from latentaug.imaging.pixels import Pixels, encode_png

MOST_IMAGES = 1024
"""Of one request. Neighbours are looked for within it."""
MANIFEST = "manifest.csv"


@dataclass(frozen=True)
class Batch:
    """Images that are sent together.

    Attributes:
        files: their paths.
        label: the folder they lie in, or None.
    """

    files: Sequence[Path]
    label: str | None


def batches(folder: Path) -> list[Batch]:
    """The images of a folder by class, so that neighbours are of the same class; large classes in equal parts.

    An image's class is the folder that it lies in. Where no image lies in one there are no classes.

    Raises:
        ValueError: no images at all, or some in class folders and some beside them.
    """
    files = image_files(folder)
    loose = [path for path in files if path.parent == folder]
    if loose and len(loose) < len(files):
        raise ValueError(f"{loose[0]} lies beside class folders; put it into one, or take it away")
    classes: dict[str | None, list[Path]] = {}
    for path in files:
        classes.setdefault(None if loose else path.parent.name, []).append(path)
    return [Batch(part, label) for label, members in classes.items() for part in _parts(members)]


def dataset_name(folder: Path) -> str:
    """A name for the data set that a folder makes: of the folder's own name and its contents."""
    digest = hashlib.sha256()
    for path in image_files(folder):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    name = re.sub(r"[^A-Za-z0-9]+", "-", folder.resolve().name).strip("-")[:40] or "images"
    return f"{name}-{digest.hexdigest()[:8]}"


def check_apart(folder: Path, new: Path) -> None:
    """Refuse to make `new` within `folder`, where its images would be taken for real ones the next time.

    Raises:
        ValueError: it lies there.
    """
    if new.resolve().is_relative_to(folder.resolve()) and new.resolve() != folder.resolve():
        raise ValueError(f"{new} lies in {folder}; name a folder elsewhere")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder that is there, whole, once the block has ended well, and not at all otherwise.

    Raises:
        ValueError: something is there already.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"{path} is there already; name another folder, or delete it")
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if path.exists():
            path.rmdir()
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class Manifest:
    """Writes new images into a folder, each with its line in `manifest.csv`."""

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self._folder = folder
        self._settings = settings
        self._names: set[str] = set()
        self._rows: list[dict[str, object]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, image: Pixels, label: str | None, source: Path, neighbour: Path | None) -> None:
        """Write one image, uint8 [h, w] or [h, w, 3]."""
        stem = f"{label}/{source.stem}" if label is not None else source.stem
        number = next(n for n in range(1, len(self._rows) + 2) if f"{stem}-{n}.png" not in self._names)
        name = f"{stem}-{number}.png"
        self._names.add(name)
        target = self._folder / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(encode_png(image if image.ndim == 3 else image[..., None]))
        self._rows.append({"file": name, "label": label, "source": source, "neighbour": neighbour, **self._settings})

    def close(self) -> None:
        """Write the manifest."""
        columns = ["file", "label", "source", "neighbour", *self._settings]
        with (self._folder / MANIFEST).open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self._rows)


def _parts(files: Sequence[Path]) -> list[Sequence[Path]]:
    """Parts of at most `MOST_IMAGES`, as equal as can be: a small last one would lack neighbours."""
    count = -(-len(files) // MOST_IMAGES)
    stops = [len(files) * i // count for i in range(count + 1)]
    return [files[start:stop] for start, stop in pairwise(stops)]
