"""Reads a folder of images batch by batch, and writes new images into a folder with a manifest."""

from __future__ import annotations

import csv
import io
import random
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from latentaug_client.payloads import folder_files

from latentaug.imaging.archives import UNLABELLED_FOLDER, is_unlabelled
from latentaug.imaging.pixels import Pixels, encode_png

MOST_IMAGES = 1024
"""Most images in one request. Neighbours are looked for among the images of the same request."""
MOST_MEASURED = 500
"""Most new images by which the quality of all is told; so many photos fit into one request."""
MANIFEST = "manifest.csv"


@dataclass(frozen=True)
class Batch:
    """Images that are sent in one request.

    Attributes:
        files: their paths.
        folder: name of the folder that their new images lie in, or None if these lie in no folder.
        label: name of their class; None for unlabelled images.
    """

    files: Sequence[Path]
    folder: str | None
    label: str | None


def batches(folder: Path, unlabelled: Path | None = None) -> list[Batch]:
    """The images of a folder, class by class, so that neighbours are of the same class.

    An image's class is the folder that it lies in; images directly in `folder` have no class, and so have those below a
    folder `unlabelled`. Large classes are split into equal parts.

    Args:
        folder: the folder.
        unlabelled: another folder, whose images have no class, or None.

    Raises:
        ValueError: some images lie in class folders and some beside them, or what `folder_files` raises.
    """
    files = folder_files(folder, unlabelled)
    loose = [path for name, path in files.items() if "/" not in name]
    if loose and len(loose) < len(files):
        raise ValueError(f"{loose[0]} lies beside the class folders; move it into one of them, or remove it")
    classes: dict[str | None, list[Path]] = {}
    for name, path in files.items():
        classes.setdefault(None if loose or is_unlabelled(name) else path.parent.name, []).append(path)
    place = None if loose else UNLABELLED_FOLDER  # of what has no class
    return [Batch(part, label or place, label) for label, members in classes.items() for part in _parts(members)]


def check_apart(folder: Path, new: Path) -> None:
    """Refuse a new folder inside `folder`: the next command would take its images for real ones.

    Raises:
        ValueError: `new` lies inside `folder`.
    """
    if new.resolve().is_relative_to(folder.resolve()) and new.resolve() != folder.resolve():
        raise ValueError(f"{new} lies inside {folder}, where new images would pass for real ones; name another folder")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to write into, which gets its name once the block has ended without an error.

    After an error, or Ctrl+C, nothing of it remains, nor of the parent folders made for it.

    Raises:
        ValueError: `path` exists already and is not an empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"{path} already exists; name another folder, or delete this one")
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a command that was killed
    new_parents = [parent for parent in path.parents if not parent.exists()]
    partial.mkdir(parents=True)
    try:
        yield partial
        if path.exists():
            path.rmdir()
        partial.rename(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):  # somebody else may have put something there
            for parent in new_parents:
                parent.rmdir()
        raise


def unpack(data: bytes, folder: Path) -> None:
    """Write the files of a zip into a folder, none of them outside of it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)  # it leaves out what would lead out of the folder


class Manifest:
    """Writes new images into a folder, and a line about each into `manifest.csv`."""

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self._folder = folder
        self._settings = settings
        self._names: set[str] = set()
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, image: Pixels, batch: Batch, source: Path, neighbour: Path | None, decode: str) -> None:
        """Write one image, uint8 [h, w] or [h, w, 3], that was made of one in the batch by this way to decode."""
        stem = source.stem if batch.folder is None else f"{batch.folder}/{source.stem}"
        number = next(n for n in range(1, len(self._rows) + 2) if f"{stem}-{n}.png" not in self._names)
        name = f"{stem}-{number}.png"
        self._names.add(name)
        target = self._folder / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(encode_png(image if image.ndim == 3 else image[..., None]))
        made = {"file": name, "label": batch.label, "source": source, "neighbour": neighbour, "decode": decode}
        self._rows.append({**made, **self._settings})

    def some(self) -> tuple[list[Path], list[str | None]]:
        """Some of the new images, drawn evenly from all of them, `MOST_MEASURED` at most, and their labels."""
        rows = random.Random(0).sample(self._rows, min(len(self._rows), MOST_MEASURED))  # noqa: S311 (no secret)
        return [self._folder / str(row["file"]) for row in rows], [row["label"] for row in rows]

    def close(self) -> None:
        """Write the manifest."""
        columns = ["file", "label", "source", "neighbour", "decode", *self._settings]
        with (self._folder / MANIFEST).open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self._rows)


def _parts(files: Sequence[Path]) -> list[Sequence[Path]]:
    """Parts of at most `MOST_IMAGES` and of equal size, because a small last part would lack neighbours."""
    count = -(-len(files) // MOST_IMAGES)
    stops = [len(files) * i // count for i in range(count + 1)]
    return [files[start:stop] for start, stop in pairwise(stops)]
